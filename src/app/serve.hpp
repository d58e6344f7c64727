// `belay serve`: owns every part by value in construction order.
#pragma once

#include <string>

namespace belay::app {

// Runs until SIGTERM or SIGINT, which leave proxy and apps running, or `belay shutdown`, which ends
// all. Returns the exit code: 1 only where there is nothing to keep up.
int serve(const std::string& config_path);

}  // namespace belay::app
