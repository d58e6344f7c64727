// What a reload changes.
#pragma once

#include <belay/domain/config.hpp>

#include <string>
#include <vector>

namespace belay::config {

// Paths of the keys that differ, as in the file and sorted: "build.run", "env.RAILS_ENV",
// "service.worker.instances", "traffic.bake". A table that only one of both has is named as a
// whole. Values are never shown. Name and file don't count.
std::vector<std::string> differences(const domain::AppConfig& before,
                                     const domain::AppConfig& after);
std::vector<std::string> differences(const domain::ServerConfig& before,
                                     const domain::ServerConfig& after);

}  // namespace belay::config
