// belay.toml and apps/*.toml as the engine's ConfigSource, and what `belay check` says of them.
#pragma once

#include <belay/config/paths.hpp>
#include <belay/ports/config_source.hpp>

#include <memory>
#include <string>
#include <vector>

namespace belay::config {

// `config_path`: belay.toml; needn't exist. While belay.toml has errors, the [defaults] of the last
// one without stay in force; where there was none, no app has a configuration.
std::unique_ptr<ports::ConfigSource> make_source(
    std::string config_path, Surroundings surroundings = current_surroundings());

// Complaints of these files (belay.toml or apps' files, also ones that lie elsewhere), or of all
// where none is named; by file, line and column. Errors and warnings; empty means that all is well.
std::vector<ports::Complaint> check(const std::string& config_path,
                                    const std::vector<std::string>& files,
                                    Surroundings surroundings = current_surroundings());

// One app's file by itself, wherever it lies (`belay try`): [defaults] and secrets are those beside
// `config_path`.
ports::AppFile load_app_file(const std::string& config_path, const std::string& file,
                             Surroundings surroundings = current_surroundings());

}  // namespace belay::config
