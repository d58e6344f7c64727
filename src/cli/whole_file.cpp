#include "whole_file.hpp"

#include "descriptor.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

namespace belay::cli {
namespace {

constexpr std::size_t kFileMax = std::size_t{16} << 20;

Result<void> write_all(int fd, const std::string& content, const std::string& what) {
    for (std::size_t at = 0; at < content.size();) {
        auto count = ::write(fd, content.data() + at, content.size() - at);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error(errno, what);
        at += static_cast<std::size_t>(count);
    }
    return {};
}

Result<void> fill(int fd, const std::string& content, mode_t mode, uid_t owner, gid_t group,
                  const std::string& what) {
    if (auto written = write_all(fd, content, what); !written) return written;
    // Before the mode: a change of owner clears bits of it.
    if (::geteuid() == 0 && owner != static_cast<uid_t>(-1) && ::fchown(fd, owner, group) != 0)
        return errno_error(errno, what);
    if (::fchmod(fd, mode) != 0 || ::fsync(fd) != 0) return errno_error(errno, what);
    return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    auto what = "reading " + path;
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) return errno_error(errno, what);
    std::string content;
    std::array<char, 16384> chunk;
    for (;;) {
        auto count = ::read(fd.get(), chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_error(errno, what);
        if (count == 0) return content;
        content.append(chunk.data(), static_cast<std::size_t>(count));
        if (content.size() > kFileMax)
            return Error{Errc::limit, what + ": it is larger than 16 MiB"};
    }
}

Result<void> replace_file(const std::string& path, const std::string& content, mode_t mode,
                          uid_t owner, gid_t group) {
    auto what = "writing " + path;
    struct stat old{};
    if (::stat(path.c_str(), &old) == 0) {
        owner = old.st_uid;
        group = old.st_gid;
    }
    auto temporary = path + ".XXXXXX";
    Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) return errno_error(errno, what);
    auto filled = fill(fd.get(), content, mode, owner, group, what);
    if (filled && ::rename(temporary.c_str(), path.c_str()) != 0) filled = errno_error(errno, what);
    if (!filled) {
        ::unlink(temporary.c_str());
        return filled;
    }
    auto folder = std::filesystem::path(path).parent_path();
    Descriptor parent(
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (parent) ::fsync(parent.get());
    return {};
}

}  // namespace belay::cli
