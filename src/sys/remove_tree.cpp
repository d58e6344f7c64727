#include <belay/sys/files.hpp>

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::sys {

namespace {

struct CloseDirectory {
    void operator()(DIR* stream) const { ::closedir(stream); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// A descriptor is held for each level on the way down, so what lies deeper is first moved up.
constexpr int kDeepest = 64;

class Remover {
  public:
    explicit Remover(std::string root) : root_(std::move(root)) {}

    Result<void> remove_root(int parent, const char* name) {
        do {
            moved_ = 0;
            if (auto removed = remove(parent, name, 0); !removed) return removed;
        } while (moved_ > 0);
        return {};
    }

  private:
    Result<void> remove(int parent, const char* name, int depth) {
        if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return {};
        // Linux says EISDIR for a directory, POSIX EPERM; EACCES may be the parent's.
        int unlink_error = errno;
        if (unlink_error != EISDIR && unlink_error != EPERM) return failure(name, unlink_error);
        if (depth == kDeepest) return move_up(parent, name);
        if (auto emptied = empty(parent, name, unlink_error, depth); !emptied) return emptied;
        if (::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
        if (errno == ENOTEMPTY && moved_ > 0) return {};  // the root, which has another round
        return failure(name, errno);
    }

    Result<void> move_up(int parent, const char* name) {
        auto target = ".removing-" + std::to_string(++names_);
        if (::renameat(parent, name, root_fd_, target.c_str()) != 0) return failure(name, errno);
        ++moved_;
        return {};
    }

    Error failure(const char* name, int error) const {
        return errno_error(error, "removing " + root_ + " (at " + name + ")");
    }

    Result<void> empty(int parent, const char* name, int unlink_error, int depth) {
        constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        int fd = ::openat(parent, name, kFlags);
        if (fd < 0 && errno == EACCES && open_up(parent, name)) fd = ::openat(parent, name, kFlags);
        if (fd < 0)
            return errno == ENOENT ? Result<void>{}
                                   : failure(name, errno == ENOTDIR ? unlink_error : errno);
        struct stat found{};
        if (::fstat(fd, &found) == 0 && (found.st_mode & 0700) != 0700)
            ::fchmod(fd, (found.st_mode & 07777) | 0700);
        if (depth == 0) root_fd_ = fd;
        Directory stream(::fdopendir(fd));
        if (!stream) {
            ::close(fd);
            return failure(name, ENOMEM);
        }
        while (const dirent* entry = ::readdir(stream.get())) {
            std::string_view child = entry->d_name;
            if (child == "." || child == "..") continue;
            if (auto removed = remove(fd, entry->d_name, depth + 1); !removed) return removed;
        }
        return {};
    }

    // An unreadable directory of our own. fchmodat can't refuse links, so the link is looked for by
    // O_PATH.
    static bool open_up(int parent, const char* name) {
        UniqueFd place(::openat(parent, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
        if (!place) return false;
        auto link = "/proc/self/fd/" + std::to_string(place.get());
        return ::chmod(link.c_str(), 0700) == 0;
    }

    std::string root_;
    int root_fd_ = -1;
    int moved_ = 0;  // in this round
    int names_ = 0;
};

}  // namespace

Result<void> remove_tree(const path& tree) {
    auto clean = tree.lexically_normal();
    if (!clean.has_filename()) clean = clean.parent_path();
    if (clean.filename().empty() || clean.filename() == ".." || clean.filename() == ".")
        return Error{Errc::invalid, tree.string() + " can't be removed: it has no name of its own"};
    auto parent = clean.has_parent_path() ? clean.parent_path() : path(".");
    auto fd = open_file(parent, O_RDONLY | O_DIRECTORY);
    if (!fd) return fd.error().code == Errc::not_found ? Result<void>{} : fd.error();
    Remover remover(clean.string());
    return remover.remove_root(fd->get(), clean.filename().c_str());
}

}  // namespace belay::sys
