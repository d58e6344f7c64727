// What decides a release's files: equal keys mean that a build would give the same again.
#pragma once

#include <belay/domain/config.hpp>
#include <belay/ports/config_source.hpp>

#include <string>

namespace belay::engine {

// A digest of the commit and of every setting that build, test and sealing read; env, health or
// traffic are not among them.
std::string build_key(const ports::ConfigSource& source, const domain::AppConfig& config,
                      const std::string& commit);

}  // namespace belay::engine
