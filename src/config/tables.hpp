// The two tables of keys: belay.toml and an app's file.
#pragma once

#include "config/keys.hpp"

#include <belay/domain/config.hpp>

#include <string>
#include <vector>

namespace belay::config {

// An app file and [defaults] of belay.toml.
const Keys<domain::AppConfig>& app_keys();
// belay.toml without [defaults].
const Keys<domain::ServerConfig>& server_keys();
const Keys<domain::Process>& process_keys();
const Keys<domain::Channel>& channel_keys();

// Names, types, defaults and meaning of all of the above, "defaults" included; computed once.
const std::vector<KeyInfo>& app_key_infos();
const std::vector<KeyInfo>& server_key_infos();

}  // namespace belay::config
