// `belay hook test`: signed pings to this daemon, by the public URL and by its own address.
#pragma once

#include <belay/cli/cli.hpp>

namespace belay::app {

// As cli::Locals::hook_test says.
Result<cli::HookTest> test_hook(const std::string& config, const std::string& app);

}  // namespace belay::app
