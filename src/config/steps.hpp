// [build] and [test]: one table, or several [[...]].
#pragma once

#include "config/keys.hpp"

#include <belay/domain/config.hpp>

#include <string>
#include <vector>

namespace belay::config {

Key<domain::AppConfig> steps_key(std::string name, Keys<domain::Step> keys,
                                 std::vector<domain::Step> domain::AppConfig::* member,
                                 std::string about);

}  // namespace belay::config
