// `--wait`: a deployment from here to its end.
#pragma once

#include "context.hpp"

#include <string>

namespace belay::cli {

// What the one who waits calls success.
enum class Goal {
    healthy,
    ended,
};

// Prints its progress and outcome; the exit code says whether the goal was reached. Rides out
// restarts of the daemon of up to a minute. An interrupt (Ctrl-C) ends the following, never the
// deployment.
int follow(Context& context, const std::string& deployment, Goal goal);

}  // namespace belay::cli
