#include "copying.hpp"

#include <belay/base/error.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::store {
namespace {

constexpr int kPagesAStep = 256;  // 1 MiB: a commit waits for no more than that
constexpr Millis kNoWait{0};

Result<void> sync_path(const std::string& path, int flags) {
    auto fd = ::open(path.c_str(), flags | O_CLOEXEC);
    if (fd < 0) return errno_error(errno, "opening " + path);
    const int failure = ::fsync(fd) != 0 ? errno : 0;
    ::close(fd);
    if (failure) return errno_error(failure, "syncing " + path);
    return {};
}

}  // namespace

Result<void> sync_file(const std::string& file) {
    return sync_path(file, O_RDONLY);
}

Result<void> sync_directory_of(const std::string& file) {
    auto parent = std::filesystem::path(file).parent_path().string();
    return sync_path(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY);
}

Copying::~Copying() {
    if (backup_) sqlite3_backup_finish(backup_);
    to_.reset();
    if (ours_) ::unlink(partial_.c_str());
}

Result<void> Copying::begin(Connection& from) {
    struct stat found{};
    if (::lstat(file_.c_str(), &found) == 0)
        return Error{Errc::conflict, fmt::format("{} exists already: name another file", file_)};
    // What a killed one left.
    ::unlink(partial_.c_str());
    auto made = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made < 0) return errno_error(errno, "making the backup " + partial_);
    ::close(made);
    ours_ = true;
    auto opened = Connection::open(partial_, kNoWait);
    if (!opened) return opened.error();
    to_ = std::make_unique<Connection>(std::move(*opened));
    // Half a copy is thrown away: it needs no way back, and is synced once, at its end.
    auto fast = to_->execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    if (!fast) return fast;
    backup_ = sqlite3_backup_init(to_->raw(), "main", from.raw(), "main");
    if (!backup_) return to_->error(sqlite3_extended_errcode(to_->raw()));
    return {};
}

Result<bool> Copying::step(Connection& from) {
    if (!backup_) {
        auto begun = begin(from);
        if (!begun) return begun.error();
    }
    auto code = sqlite3_backup_step(backup_, kPagesAStep);
    if (code == SQLITE_OK) return false;
    if (code == SQLITE_DONE) return true;
    return to_->error(code);
}

Result<void> Copying::finish() {
    auto code = sqlite3_backup_finish(std::exchange(backup_, nullptr));
    if (code != SQLITE_OK) return to_->error(code);
    // The copied header says WAL: as one file it can be copied and opened anywhere.
    auto mode = to_->value("PRAGMA journal_mode = DELETE");
    if (!mode) return mode.error();
    to_.reset();
    auto synced = sync_file(partial_);
    if (!synced) return synced;
    // link(2), as rename(2) would replace a file that came meanwhile.
    if (::link(partial_.c_str(), file_.c_str()) != 0)
        return errno_error(errno, "naming the backup " + file_);
    return sync_directory_of(file_);
}

}  // namespace belay::store
