#include <belay/sys/pipes.hpp>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace belay::sys {

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "making a pipe");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<void> set_nonblocking(const UniqueFd& fd) {
    int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0)
        return errno_error(errno, "making a descriptor non-blocking");
    return {};
}

}  // namespace belay::sys
