#include "build_key.hpp"

namespace belay::engine {

std::string build_key(const ports::ConfigSource& source, const domain::AppConfig& config,
                      const std::string& commit) {
    // A configuration in which all else has its default value.
    domain::AppConfig relevant;
    relevant.name = config.name;
    relevant.repo = config.repo;
    relevant.directory = config.directory;
    relevant.submodules = config.submodules;
    relevant.path = config.path;
    relevant.ship = config.ship;
    relevant.shared = config.shared;
    relevant.writable = config.writable;
    relevant.build = config.build;
    relevant.test = config.test;
    return source.hash(commit + "\n" + source.encode(relevant));
}

}  // namespace belay::engine
