// Starting a belay-shim: its specification into a memory file, its descriptors into their places.
#pragma once

#include <belay/sys/shim.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::sys {

struct StartedShim {
    pid_t pid = 0;
    UniqueFd pidfd;
    UniqueFd control;  // our end of its descriptor 4
};

struct ShimStart {
    std::string shim_path;
    bool kept = false;
    std::string run_id;
    std::string token;
    RestartPolicy policy = RestartPolicy::never;
    const Program* program = nullptr;
    std::vector<std::pair<int, int>> fds;  // ours → its
};

// Errc::invalid: the program can't be described. Errc::not_found: no shim there.
Result<StartedShim> start_shim(const ShimStart& start);

// "failed STEP ERRNO" of the shim, as a sentence.
Error start_failure(const Program& program, std::string_view step, int error_number);

}  // namespace belay::sys
