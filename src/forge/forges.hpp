// One line for each forge; each is made in the file of its name.
#pragma once

#include <belay/ports/forge.hpp>

namespace belay::forge {

const ports::Forge& github();
const ports::Forge& generic();

}  // namespace belay::forge
