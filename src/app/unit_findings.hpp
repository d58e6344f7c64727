// Whether the unit of an app can be deployed to, as far as that can be told before.
#pragma once

#include "doctor.hpp"

#include <belay/config/paths.hpp>
#include <belay/domain/config.hpp>

#include <string>
#include <vector>

namespace belay::app {

// Root looks with the daemon's eyes: whose files an app's have to be is a question of who runs it.
config::Surroundings surroundings_of_daemon(const std::string& state);

// One for each app with [unit]. `state`: the daemon's state directory, whose owner it runs as.
std::vector<Finding> unit_findings(const std::vector<domain::AppConfig>& apps,
                                   const std::string& state);

}  // namespace belay::app
