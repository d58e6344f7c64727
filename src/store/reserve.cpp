#include "reserve.hpp"

#include <belay/base/log.hpp>

#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace belay::store {
namespace {

// Thousands of transitions: a deployment writes some 100 KiB.
constexpr std::uint64_t kReserve = std::uint64_t{8} << 20;
constexpr std::uint64_t kPlenty = 4 * kReserve;
constexpr std::chrono::seconds kPause{5};

std::uint64_t free_beside(const std::string& file) {
    struct statvfs found{};
    auto slash = file.rfind('/');
    auto directory = slash == std::string::npos ? std::string(".") : file.substr(0, slash + 1);
    if (::statvfs(directory.c_str(), &found) != 0) return 0;
    return std::uint64_t{found.f_bavail} * found.f_frsize;
}

}  // namespace

Reserve::Reserve(std::string path) : path_(std::move(path)) {
    struct stat found{};
    held_ = ::stat(path_.c_str(), &found) == 0 && found.st_size > 0;
}

bool Reserve::release() {
    if (!held_) return false;
    held_ = false;
    looked_ = std::chrono::steady_clock::now();
    if (::unlink(path_.c_str()) != 0) return false;
    log::warning("the disk is full: the record goes on in the room that was kept for it",
                 {{"reserve", path_}});
    return true;
}

void Reserve::refill() {
    if (held_) return;
    auto now = std::chrono::steady_clock::now();
    if (now - looked_ < kPause && looked_ != std::chrono::steady_clock::time_point{}) return;
    looked_ = now;
    if (free_beside(path_) < kPlenty) return;
    auto fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    // Not posix_fallocate(3), which writes it all where the file system can't.
    held_ = ::fallocate(fd, 0, 0, static_cast<off_t>(kReserve)) == 0;
    ::close(fd);
    if (!held_) ::unlink(path_.c_str());
}

}  // namespace belay::store
