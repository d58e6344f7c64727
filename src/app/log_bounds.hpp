// Keeps what apps and stages print within bounds, while it is being printed.
#pragma once

#include <belay/base/time.hpp>

#include <string>

namespace belay::app {

// Frees the head of every app log (logs/APP/rN/*.log) of more than 64 MiB, down to its last 32 MiB;
// offsets stay valid. Loop thread.
void bound_app_logs(const std::string& state);

// Removes directories of logs/APP whose files were all last written longer ago than `keep`; those
// of releases that still are on disk stay, as their processes may hold them open.
void prune_logs(const std::string& state, const std::string& app, Millis keep);

}  // namespace belay::app
