// The keys as docs/configuration.md lists them.
#pragma once

#include "config/keys.hpp"

#include <string>
#include <vector>

namespace belay::config {

// A Markdown table for each table of the file.
std::string key_reference(const std::vector<KeyInfo>& keys);

// "build.timeout" of every key, tables included.
std::vector<std::string> key_paths(const std::vector<KeyInfo>& keys);

}  // namespace belay::config
