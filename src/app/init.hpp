// `belay init`: an app file, the hook secret and the deploy key, and what to enter where.
#pragma once

#include <belay/cli/cli.hpp>

namespace belay::app {

int init(const cli::InitOptions& options);

}  // namespace belay::app
