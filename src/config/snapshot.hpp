// An app's configuration as canonical JSON, and back.
#pragma once

#include "config/value.hpp"

#include <belay/domain/config.hpp>

#include <string>

namespace belay::config {

// The tree of what the file could have said, every default filled in; of the four targets only the
// app's own.
Value tree_of(const domain::AppConfig& app);

std::string encode(const domain::AppConfig& app);
// Errc::invalid. Keys that this version doesn't know are passed over, those that are missing have
// their defaults.
Result<domain::AppConfig> decode(const std::string& json);

std::string sha256_hex(const std::string& content);

}  // namespace belay::config
