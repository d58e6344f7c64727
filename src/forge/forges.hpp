// One line for each forge; each is made in the file of its name.
#pragma once

#include <belay/ports/forge.hpp>

namespace belay::forge {

const ports::Forge& forgejo();
const ports::Forge& gitea();
const ports::Forge& gogs();
const ports::Forge& github();
const ports::Forge& gitlab();
const ports::Forge& gitee();
const ports::Forge& bitbucket_cloud();
const ports::Forge& bitbucket_server();
const ports::Forge& sourcehut();
const ports::Forge& generic();
const ports::Forge& azure_devops();

// What "auto" means by Sourcehut: keys must say that they are such. A bare one might be meant as
// another forge's secret, and as a key it is nothing that only its owner knows.
const ports::Forge& guessed_sourcehut();

}  // namespace belay::forge
