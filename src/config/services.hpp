// [service]: one process called web, or the defaults of [service.NAME].
#pragma once

#include "config/keys.hpp"

#include <belay/domain/config.hpp>

#include <string>

namespace belay::config {

Key<domain::AppConfig> service_key(std::string about);

}  // namespace belay::config
