// Pipes and socket pairs, closed on exec.
#pragma once

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

namespace belay::sys {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};
// Blocking at both ends: one usually goes to a child.
Result<Pipe> make_pipe();

Result<void> set_nonblocking(const UniqueFd& fd);

}  // namespace belay::sys
