#include "ownership.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::release {
namespace {

Result<void> change_owner(int fd, int uid, int gid) {
    if (::fchown(fd, static_cast<uid_t>(uid), static_cast<gid_t>(gid)) != 0)
        return errno_error(errno, "changing the owner to uid " + std::to_string(uid));
    return {};
}

}  // namespace

Result<void> Ownership::to_build(int fd) const {
    return users_.separate() ? change_owner(fd, users_.build, users_.files_group())
                             : Result<void>();
}

Result<void> Ownership::to_run(int fd) const {
    return users_.separate() ? change_owner(fd, users_.run, users_.files_group()) : Result<void>();
}

Result<void> Ownership::to_us(int fd) const {
    return users_.separate() ? change_owner(fd, static_cast<int>(::geteuid()), users_.files_group())
                             : Result<void>();
}

Result<void> Ownership::link_to_us(int directory, const std::string& name) const {
    if (!users_.separate()) return {};
    if (::fchownat(directory, name.c_str(), ::geteuid(), static_cast<gid_t>(users_.files_group()),
                   AT_SYMLINK_NOFOLLOW) != 0)
        return errno_error(errno, "changing the owner of the link " + name);
    return {};
}

std::uint32_t Ownership::sealed_mode(std::uint32_t mode) const {
    auto owner = (mode | 0400u) & 0500u;
    auto group = owner >> 3;  // the run user reads by its group
    return owner | group | (mode & 0005u);
}

Result<void> Ownership::give_to_run(Tree& tree, const std::string& path) const {
    auto status = tree.status(path);
    if (!status) return status.error();
    auto entry = entry_of(path, *status);
    if (entry.kind != Kind::directory) return give_entry(tree, entry);
    auto directory = tree.directory(path);
    if (!directory) return directory.error();
    auto root = open_directory_at(*directory, ".");
    if (!root) return prefixed(path, root.error());
    Tree below(std::move(*root));
    auto listing = scan(below, Access::opened);
    if (!listing) return prefixed(path, listing.error());
    for (auto& found : *listing)
        if (auto done = give_entry(below, found); !done) return prefixed(path, done.error());
    ::fchmod(below.root(), 0750);
    return to_run(below.root());
}

Result<void> Ownership::give_entry(Tree& tree, Entry& entry) const {
    auto [parent, name] = split_path(entry.path);
    if (entry.kind == Kind::file) {
        if (auto done = cut_links(tree, entry); !done) return done;
        auto file = tree.open_file(entry.path);
        if (!file) return file.error();
        ::fchmod(file->get(), (entry.mode & 0777) | 0600);
        return to_run(file->get());
    }
    if (entry.kind == Kind::directory) {
        auto directory = tree.directory(entry.path);
        if (!directory) return directory.error();
        ::fchmod(*directory, 0750);
        return to_run(*directory);
    }
    auto directory = tree.directory(parent);
    if (!directory) return directory.error();
    if (entry.kind == Kind::other) return tree.remove(entry);
    if (users_.separate() &&
        ::fchownat(*directory, std::string(name).c_str(), static_cast<uid_t>(users_.run),
                   static_cast<gid_t>(users_.files_group()), AT_SYMLINK_NOFOLLOW) != 0)
        return errno_error(errno, "changing the owner of " + entry.path);
    return {};
}

Result<void> cut_links(Tree& tree, Entry& entry) {
    if (entry.links < 2) return {};
    auto from = tree.open_file(entry.path);
    if (!from) return from.error();
    auto [parent, name] = split_path(entry.path);
    auto directory = tree.directory(parent);
    if (!directory) return directory.error();
    // Two threads may be at work in one directory.
    auto copy = ".belay-copy-" + std::to_string(entry.inode) + "-" + std::to_string(::gettid());
    sys::UniqueFd to(::openat(*directory, copy.c_str(),
                              O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!to) return errno_error(errno, "copying " + entry.path);
    if (auto done = copy_content(from->get(), to.get()); !done)
        return prefixed(entry.path, done.error());
    const struct timespec times[2] = {
        {0, UTIME_NOW}, {entry.mtime_ns / 1'000'000'000, entry.mtime_ns % 1'000'000'000}};
    ::fchmod(to.get(), entry.mode & 0777);
    ::futimens(to.get(), times);
    if (::renameat(*directory, copy.c_str(), *directory, std::string(name).c_str()) != 0)
        return errno_error(errno, "replacing " + entry.path);
    struct stat status{};
    if (::fstat(to.get(), &status) != 0) return errno_error(errno, "looking at " + entry.path);
    auto fresh = entry_of(entry.path, status);
    fresh.hashed = entry.hashed;
    fresh.digest = entry.digest;
    entry = fresh;
    return {};
}

}  // namespace belay::release
