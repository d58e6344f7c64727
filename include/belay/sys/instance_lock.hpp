// One daemon per state directory.
#pragma once

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

#include <filesystem>

namespace belay::sys {

// Held until destroyed, and by nobody's child. flock(2) on the file, which also names the holder's
// pid.
class InstanceLock {
  public:
    // Errc::conflict: "/var/lib/belay is in use by another belay (pid 123)".
    static Result<InstanceLock> take(const std::filesystem::path& file);

  private:
    explicit InstanceLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace belay::sys
