// `belay doctor`: looks at the machine, with or without a daemon, and names a cure for what it
// finds.
#pragma once

#include <string>
#include <vector>

namespace belay::app {

struct Finding {
    enum class Level { good, warning, bad };
    Level level = Level::good;
    std::string check;  // "ports", "secrets"
    std::string text;   // what was found, a sentence
    std::string cure;   // what to do; empty where all is well
};

// `config_path`: belay.toml. Needs to be who runs the daemon to see everything; changes nothing.
std::vector<Finding> examine(const std::string& config_path);

// Prints; the exit code: 1 where something is bad.
int doctor(const std::string& config_path, bool json);

}  // namespace belay::app
