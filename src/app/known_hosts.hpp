// ssh host keys of the public forges, for a first push without a question: config/known_hosts.
#pragma once

#include <string_view>

namespace belay::app {

extern const std::string_view kPublicHostKeys;

}  // namespace belay::app
