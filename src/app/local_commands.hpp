// The commands that need no daemon, or are it.
#pragma once

#include <belay/cli/cli.hpp>

namespace belay::app {

cli::Locals local_commands();

}  // namespace belay::app
