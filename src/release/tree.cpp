#include "tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <memory>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace belay::release {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::int64_t nanoseconds(const struct timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Error error_at(const std::string& path, std::string_view what) {
    return errno_error(errno, fmt::format("{} {}", what, path.empty() ? "." : path));
}

struct CloseDirectory {
    void operator()(DIR* stream) const { ::closedir(stream); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

Result<DirectoryStream> stream_of(int directory) {
    // A descriptor of its own, as closedir closes it and reading moves its position.
    int fd = ::openat(directory, ".", kDirectory);
    if (fd < 0) return errno_error(errno, "opening a directory");
    DirectoryStream stream(::fdopendir(fd));
    if (!stream) {
        ::close(fd);
        return errno_error(errno, "reading a directory");
    }
    return stream;
}

// The next name, "." and ".." apart; null at the end. errno tells an error from the end.
const char* next_name(DIR* stream) {
    while (true) {
        errno = 0;
        auto* found = ::readdir(stream);
        if (!found) return nullptr;
        std::string_view name = found->d_name;
        if (name != "." && name != "..") return found->d_name;
    }
}

Result<std::string> read_link_at(int directory, const std::string& name) {
    std::string target(4096, '\0');
    auto length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) return errno_error(errno, "reading the link " + name);
    target.resize(static_cast<std::size_t>(length));
    return target;
}

class Scanner {
  public:
    Scanner(Listing& listing, Access access, const Skip& skip)
        : listing_(listing), access_(access), skip_(skip) {}

    Result<void> walk(int directory, const std::string& prefix, int depth) {
        if (depth > kMaxDepth)
            return Error{Errc::limit, fmt::format("{} is nested more than {} directories deep",
                                                  prefix, kMaxDepth)};
        auto stream = stream_of(directory);
        if (!stream) return prefixed(prefix.empty() ? "." : prefix, stream.error());
        while (const char* name = next_name(stream->get())) {
            if (auto done = take(directory, name, prefix, depth); !done) return done;
        }
        if (errno != 0) return error_at(prefix, "reading");
        return {};
    }

  private:
    Result<void> take(int directory, const std::string& name, const std::string& prefix,
                      int depth) {
        auto path = prefix.empty() ? name : prefix + "/" + name;
        struct stat status{};
        if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            return error_at(path, "looking at");
        if (listing_.size() >= kMaxEntries)
            return Error{Errc::limit,
                         fmt::format("more than {} files and directories", kMaxEntries)};
        if (access_ == Access::opened && open_up(directory, name, status) &&
            ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            return error_at(path, "looking at");
        listing_.push_back(entry_of(path, status));
        auto& entry = listing_.back();
        if (entry.kind == Kind::link) {
            auto target = read_link_at(directory, name);
            if (!target) return prefixed(path, target.error());
            entry.digest = digest_of(*target);
            entry.hashed = true;
        }
        if (entry.kind != Kind::directory || (skip_ && skip_(path))) return {};
        auto below = open_directory_at(directory, name);
        if (!below) return prefixed(path, below.error());
        return walk(below->get(), path, depth + 1);
    }

    // As root we can read everything anyway. True: it was changed.
    static bool open_up(int directory, const std::string& name, const struct stat& status) {
        auto self = ::geteuid();
        if (self == 0 || status.st_uid != self) return false;
        mode_t wanted = S_ISDIR(status.st_mode) ? 0700 : S_ISREG(status.st_mode) ? 0400 : 0;
        if ((status.st_mode & wanted) == wanted) return false;
        return ::fchmodat(directory, name.c_str(), (status.st_mode & 07777) | wanted, 0) == 0;
    }

    Listing& listing_;
    Access access_;
    const Skip& skip_;
};

Result<void> hash_one(Tree& tree, Entry& entry) {
    if (entry.hashed) return {};
    auto file = tree.open_file(entry.path);
    if (!file) return file.error();
    auto digest = digest_of_file(file->get());
    if (!digest) return prefixed(entry.path, digest.error());
    entry.digest = *digest;
    entry.hashed = true;
    return {};
}

// Removes what a directory holds.
Result<void> empty_directory(int directory, const std::string& path, int depth);

Result<void> remove_at(int directory, const std::string& name, const std::string& path, int depth) {
    if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return error_at(path, "removing");
    auto below = open_directory_at(directory, name);
    if (!below && below.error().code == Errc::forbidden) {
        // A seal or a build may have closed it to ourselves.
        ::fchmodat(directory, name.c_str(), 0700, 0);
        below = open_directory_at(directory, name);
    }
    if (!below) return prefixed(path, below.error());
    if (auto done = empty_directory(below->get(), path, depth + 1); !done) return done;
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0) return error_at(path, "removing");
    return {};
}

Result<void> empty_directory(int directory, const std::string& path, int depth) {
    if (depth > kMaxDepth) return Error{Errc::limit, path + " is nested too deep"};
    ::fchmod(directory, 0700);
    auto stream = stream_of(directory);
    if (!stream) return prefixed(path, stream.error());
    while (const char* name = next_name(stream->get())) {
        if (auto done = remove_at(directory, name, path + "/" + name, depth); !done) return done;
    }
    return {};
}

}  // namespace

Result<sys::UniqueFd> open_directory_at(int directory, const std::string& name) {
    sys::UniqueFd fd(::openat(directory, name.c_str(), kDirectory));
    if (!fd) return errno_error(errno, "opening the directory " + name);
    return fd;
}

Result<sys::UniqueFd> open_directory(const std::string& path) {
    return open_directory_at(AT_FDCWD, path);
}

Result<sys::UniqueFd> make_directory_at(int directory, const std::string& name, mode_t mode) {
    bool made = ::mkdirat(directory, name.c_str(), mode) == 0;
    if (!made && errno != EEXIST) return errno_error(errno, "making the directory " + name);
    auto fd = open_directory_at(directory, name);
    if (!fd) return Error{Errc::conflict, name + " is in the way: it is not a directory"};
    // mkdir obeys the umask
    if (made) ::fchmod(fd->get(), mode);
    return fd;
}

std::pair<std::string_view, std::string_view> split_path(std::string_view path) {
    auto slash = path.rfind('/');
    if (slash == path.npos) return {{}, path};
    return {path.substr(0, slash), path.substr(slash + 1)};
}

bool is_plain_path(std::string_view path) {
    if (path.empty() || path.find('\0') != path.npos) return false;
    while (true) {
        auto segment = path.substr(0, path.find('/'));
        if (segment.empty() || segment == "." || segment == "..") return false;
        if (segment.size() == path.size()) return true;
        path.remove_prefix(segment.size() + 1);
    }
}

Result<Tree> Tree::open(const std::string& path) {
    auto root = open_directory(path);
    if (!root) return root.error();
    return Tree(std::move(*root));
}

Result<int> Tree::descend(std::string_view path, const mode_t* make) {
    if (path.empty()) return root_.get();
    if (last_ && last_path_ == path) return last_.get();
    sys::UniqueFd at;
    // From the directory used last where this one lies below it.
    std::string_view rest = path;
    int from = root_.get();
    if (last_ && path.size() > last_path_.size() && path.starts_with(last_path_) &&
        path[last_path_.size()] == '/') {
        rest.remove_prefix(last_path_.size() + 1);
        at = std::move(last_);
        from = at.get();
    }
    last_ = {};
    while (!rest.empty()) {
        auto segment = std::string(rest.substr(0, rest.find('/')));
        rest.remove_prefix(std::min(segment.size() + 1, rest.size()));
        auto next =
            make ? make_directory_at(from, segment, *make) : open_directory_at(from, segment);
        if (!next) return prefixed(path, next.error());
        at = std::move(*next);
        from = at.get();
    }
    last_ = std::move(at);
    last_path_ = path;
    return last_.get();
}

Result<int> Tree::directory(std::string_view path) {
    return descend(path, nullptr);
}

Result<int> Tree::make_directories(std::string_view path, mode_t mode) {
    return descend(path, &mode);
}

Result<struct stat> Tree::status(const std::string& path) {
    auto [parent, name] = split_path(path);
    auto directory = this->directory(parent);
    if (!directory) return directory.error();
    struct stat status{};
    if (::fstatat(*directory, std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return error_at(path, "looking at");
    return status;
}

Result<sys::UniqueFd> Tree::open_file(const std::string& path) {
    auto [parent, name] = split_path(path);
    auto directory = this->directory(parent);
    if (!directory) return directory.error();
    // O_NONBLOCK: should it have become a FIFO, opening must not wait for its other end.
    sys::UniqueFd file(::openat(*directory, std::string(name).c_str(),
                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return error_at(path, "opening");
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return error_at(path, "looking at");
    if (!S_ISREG(status.st_mode))
        return Error{Errc::conflict, path + " is no longer a regular file"};
    return file;
}

Result<std::string> Tree::read_link(const std::string& path) {
    auto [parent, name] = split_path(path);
    auto directory = this->directory(parent);
    if (!directory) return directory.error();
    return read_link_at(*directory, std::string(name));
}

Result<void> Tree::remove(const Entry& entry) {
    auto [parent, name] = split_path(entry.path);
    auto directory = this->directory(parent);
    if (!directory) return directory.error();
    int flags = entry.kind == Kind::directory ? AT_REMOVEDIR : 0;
    if (::unlinkat(*directory, std::string(name).c_str(), flags) != 0 && errno != ENOENT)
        return error_at(entry.path, "removing");
    return {};
}

Result<void> Tree::remove_all(const std::string& path) {
    auto [parent, name] = split_path(path);
    auto directory = this->directory(parent);
    if (!directory) return directory.error();
    int from = *directory;
    auto done = remove_at(from, std::string(name), path, 0);
    last_ = {};  // it may have been within
    return done;
}

Entry entry_of(std::string path, const struct stat& status) {
    Entry entry;
    entry.path = std::move(path);
    entry.mtime_ns = nanoseconds(status.st_mtim);
    entry.ctime_ns = nanoseconds(status.st_ctim);
    entry.inode = status.st_ino;
    entry.links = status.st_nlink;
    if (S_ISREG(status.st_mode)) {
        entry.kind = Kind::file;
        entry.mode = status.st_mode & 07777;
        entry.size = static_cast<std::uint64_t>(status.st_size);
    } else if (S_ISLNK(status.st_mode)) {
        entry.kind = Kind::link;
        entry.size = static_cast<std::uint64_t>(status.st_size);
    } else if (S_ISDIR(status.st_mode)) {
        entry.kind = Kind::directory;
    }
    return entry;
}

Result<Listing> scan(Tree& tree, Access access, const Skip& skip) {
    Listing listing;
    if (auto done = Scanner(listing, access, skip).walk(tree.root(), "", 0); !done)
        return done.error();
    std::sort(listing.begin(), listing.end(),
              [](const Entry& a, const Entry& b) { return a.path < b.path; });
    return listing;
}

Result<void> for_each_file(const Tree& tree, Listing& listing, const EntryAction& action) {
    // Below this a thread costs more than it brings.
    constexpr std::size_t kWorthAThread = 256;
    std::atomic<bool> stop = false;
    auto run = [&](std::size_t begin, std::size_t end) -> Result<void> {
        auto root = open_directory_at(tree.root(), ".");
        if (!root) return root.error();
        Tree own(std::move(*root));
        for (auto i = begin; i < end && !stop; ++i) {
            if (listing[i].kind != Kind::file) continue;
            if (auto done = action(own, listing[i]); !done) {
                stop = true;
                return done;
            }
        }
        return {};
    };
    auto size = listing.size();
    if (size < kWorthAThread) return run(0, size);
    Result<void> first, second;
    {
        std::jthread other([&] { second = run(size / 2, size); });
        first = run(0, size / 2);
    }
    return first ? second : first;
}

Result<void> hash_files(const Tree& tree, Listing& listing) {
    return for_each_file(tree, listing, hash_one);
}

Result<void> copy_content(int from, int to) {
    if (::ioctl(to, FICLONE, from) == 0) return {};
    std::vector<char> buffer;
    while (buffer.empty()) {
        auto moved = ::copy_file_range(from, nullptr, to, nullptr, std::size_t{1} << 30, 0);
        if (moved == 0) return {};
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0 && (errno == ENOSYS || errno == EXDEV || errno == EINVAL ||
                          errno == EOPNOTSUPP || errno == EPERM))
            buffer.resize(128 << 10);  // not on this file system: by hand, from where it stopped
        else if (moved < 0)
            return errno_error(errno, "copying");
    }
    while (true) {
        auto got = ::read(from, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error(errno, "reading");
        if (got == 0) return {};
        for (ssize_t at = 0; at < got;) {
            auto put = ::write(to, buffer.data() + at, static_cast<std::size_t>(got - at));
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return errno_error(errno, "writing");
            at += put;
        }
    }
}

}  // namespace belay::release
