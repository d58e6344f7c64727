// What each type of channel needs.
#pragma once

#include "config/reading.hpp"

#include <belay/domain/config.hpp>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::config {

// Every key of a channel that holds a secret, with where it is.
std::vector<std::pair<std::string_view, const std::optional<domain::SecretRef>*>> channel_secrets(
    const domain::Channel& channel);

// Keys that a channel's type lacks, or has no use for.
void check_channels(Reading& reading, const domain::ServerConfig& server);

}  // namespace belay::config
