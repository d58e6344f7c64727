#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace belay::sys {

namespace {

Result<std::string> read_open_file(const UniqueFd& fd, const std::string& name,
                                   std::uint64_t max_bytes) {
    std::string content;
    for (;;) {
        auto before = content.size();
        constexpr std::size_t kChunk = 16 << 10;
        content.resize(before + kChunk);
        auto got = ::read(fd.get(), content.data() + before, kChunk);
        if (got < 0 && errno != EINTR) return errno_error(errno, "reading " + name);
        content.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
        if (content.size() > max_bytes)
            return Error{Errc::limit, fmt::format("{} is larger than {} bytes", name, max_bytes)};
        if (got == 0) return content;
    }
}

Result<void> write_whole(const UniqueFd& fd, std::string_view content, const std::string& name) {
    while (!content.empty()) {
        auto written = ::write(fd.get(), content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno_error(errno, "writing " + name);
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> write_temporary(const path& temporary, std::string_view content, mode_t mode,
                             bool sync) {
    auto name = temporary.string();
    auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    if (!fd) return fd.error();
    // Whatever the umask says.
    if (::fchmod(fd->get(), mode) != 0) return errno_error(errno, "changing the mode of " + name);
    if (auto written = write_whole(*fd, content, name); !written) return written;
    if (sync && ::fsync(fd->get()) != 0) return errno_error(errno, "syncing " + name);
    return {};
}

path parent_of(const path& file) {
    auto parent = file.parent_path();
    return parent.empty() ? path(".") : parent;
}

}  // namespace

Result<UniqueFd> open_file(const path& file, int flags, mode_t mode) {
    return open_file_at(AT_FDCWD, file.string(), flags, mode);
}

Result<UniqueFd> open_file_at(int directory, const std::string& name, int flags, mode_t mode) {
    int fd = -1;
    do {
        fd = ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return errno_error(errno, "opening " + name);
    return UniqueFd(fd);
}

Result<std::string> read_file(const path& file, std::uint64_t max_bytes) {
    auto fd = open_file(file, O_RDONLY);
    if (!fd) return fd.error();
    return read_open_file(*fd, file.string(), max_bytes);
}

Result<std::string> read_file_at(int directory, const std::string& name, std::uint64_t max_bytes) {
    auto fd = open_file_at(directory, name, O_RDONLY | O_NOFOLLOW);
    if (!fd) return fd.error();
    return read_open_file(*fd, name, max_bytes);
}

Result<void> write_file(const path& file, std::string_view content, mode_t mode, bool sync) {
    auto temporary = file;
    temporary += fmt::format(".{}.tmp", ::getpid());
    auto written = write_temporary(temporary, content, mode, sync);
    if (written && ::rename(temporary.c_str(), file.c_str()) != 0)
        written = errno_error(errno, "renaming to " + file.string());
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    return sync ? fsync_dir(parent_of(file)) : Result<void>{};
}

Result<void> fsync_dir(const path& directory) {
    auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!fd) return fd.error();
    if (::fsync(fd->get()) != 0) return errno_error(errno, "syncing " + directory.string());
    return {};
}

Result<void> make_directories(const path& directory, mode_t mode) {
    struct stat found{};
    if (::stat(directory.c_str(), &found) == 0) {
        if (S_ISDIR(found.st_mode)) return {};
        return Error{Errc::conflict, directory.string() + " is in the way: it is no directory"};
    }
    if (directory.has_parent_path() && directory.parent_path() != directory)
        if (auto made = make_directories(directory.parent_path(), mode); !made) return made;
    if (directory.filename().empty()) return {};  // "a/b/"
    if (::mkdir(directory.c_str(), mode) != 0) {
        if (errno == EEXIST) return {};
        return errno_error(errno, "making the directory " + directory.string());
    }
    if (::chmod(directory.c_str(), mode) != 0)
        return errno_error(errno, "changing the mode of " + directory.string());
    return {};
}

Result<Space> free_space(const path& directory) {
    struct statvfs found{};
    if (::statvfs(directory.c_str(), &found) != 0)
        return errno_error(errno, "asking for the free space of " + directory.string());
    auto blocks = ::geteuid() == 0 ? found.f_bfree : found.f_bavail;
    return Space{std::uint64_t{blocks} * found.f_frsize,
                 std::uint64_t{found.f_blocks} * found.f_frsize};
}

Result<std::uint64_t> punch_head(const path& file, std::uint64_t cap, std::uint64_t keep) {
    auto fd = open_file(file, O_RDWR);
    if (!fd) return fd.error();
    struct stat found{};
    if (::fstat(fd->get(), &found) != 0) return errno_error(errno, "looking at " + file.string());
    auto size = static_cast<std::uint64_t>(found.st_size);
    constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
    auto allocated = static_cast<std::uint64_t>(found.st_blocks) * kBlock;
    if (allocated > cap && size > keep) {
        auto end = static_cast<off_t>(size - keep);
        if (::fallocate(fd->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, end) != 0) {
            if (errno != EOPNOTSUPP)
                return errno_error(errno, "freeing the head of " + file.string());
            return Error{Errc::unavailable,
                         file.string() + " can't be bounded: its file system can't punch holes"};
        }
    }
    auto first = ::lseek(fd->get(), 0, SEEK_DATA);
    if (first < 0) return errno == ENXIO ? size : 0;
    return static_cast<std::uint64_t>(first);
}

}  // namespace belay::sys
