// What of apps' limits this machine enforces, in the words that status, doctor and check share.
#pragma once

#include <belay/config/paths.hpp>
#include <belay/sys/cgroups.hpp>

#include <string>
#include <vector>

namespace belay::app {

// Where the daemon's control groups lie: $BELAY_CGROUP, which belay.service sets, or where that
// unit would have them; else below our own.
sys::GroupPlace group_place(const std::string& state, const config::Surroundings& surroundings);

// Keys of limits; of `processes` root can give one by the app's user alone, without groups.
std::vector<std::string> unenforced_keys(const sys::GroupSupport& support,
                                         const config::Surroundings& surroundings);

// "limits of memory and cpu have no effect on this machine: WHY"; empty where all are enforced.
std::string unenforced_limits(const sys::GroupSupport& support,
                              const config::Surroundings& surroundings);

}  // namespace belay::app
