// What became of a commit, told to the forge that it came from: commit statuses, and on GitHub a
// deployment too. One file per forge (status_github.cpp ...), by reference/webhooks.md §10.
#pragma once

#include <belay/ports/forge_directory.hpp>
#include <belay/ports/outbox.hpp>

namespace belay::forge {

// The forges with a status API; Gogs, Gitee and Sourcehut have none that is documented. Lives for
// ever; any thread.
const ports::StatusForges& status_forges();
const ports::ForgeDirectory& forge_directory();

}  // namespace belay::forge
