// Executing the program: from a fork of the shim to execve(2).
#pragma once

#include "spec.hpp"

namespace belay::shim {

// Where a start failed, and the errno; step is null when the program was executed.
struct StartFailure {
    const char* step = nullptr;  // "fork", "cwd", "limits", "exec"
    int error = 0;
};

// The listening sockets of the next start, beside the names in `spec`.
struct Listeners {
    int fds[kMaxListeners];
    const char* names[kMaxListeners];
    bool listening[kMaxListeners];  // when it came
    unsigned count = 0;
};

// Returns the pid when the program has been executed, else 0 with `failure`.
pid_t start_program(const Spec& spec, const Listeners& listeners, StartFailure& failure);

}  // namespace belay::shim
