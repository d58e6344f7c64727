// The forges that Belay understands.
#pragma once

#include <belay/ports/forge.hpp>

namespace belay::forge {

// Lives for ever; any thread.
const ports::Forges& table();

}  // namespace belay::forge
