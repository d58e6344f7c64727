#include <belay/sys/files.hpp>
#include <belay/sys/instance_lock.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace belay::sys {

Result<InstanceLock> InstanceLock::take(const std::filesystem::path& file) {
    auto fd = open_file(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd) return fd.error();
    while (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return errno_error(errno, "locking " + file.string());
        auto holder = read_file(file, 64);
        auto pid = holder ? holder->substr(0, holder->find('\n')) : std::string();
        return Error{Errc::conflict,
                     fmt::format("{} is in use by another belay (pid {})",
                                 file.parent_path().string(), pid.empty() ? "unknown" : pid)};
    }
    auto pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd->get(), 0) != 0 || ::pwrite(fd->get(), pid.data(), pid.size(), 0) < 0)
        return errno_error(errno, "writing " + file.string());
    return InstanceLock(std::move(*fd));
}

}  // namespace belay::sys
