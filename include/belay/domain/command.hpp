// What a command of the configuration comes to when it is executed.
#pragma once

#include <belay/domain/config.hpp>

#include <string>
#include <vector>

namespace belay::domain {

// A string runs under a shell that stops at the first failure; an array is executed as it is.
inline std::vector<std::string> argv_of(const Command& command) {
    if (command.shell.empty()) return command.argv;
    return {"/bin/sh", "-euc", command.shell};
}

}  // namespace belay::domain
