// What takes the place of a database that can't be used, and how it gets there.
#include "copying.hpp"
#include "database.hpp"
#include "migrations.hpp"

#include <belay/base/log.hpp>
#include <belay/store/open.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "belay-";
constexpr const char* kSuffix = ".db";
constexpr int kAsideKept = 4;
constexpr Millis kCopyWait{0};

// What was unfinished ended with the daemon that wrote it: its processes, directories and epochs
// are others' by now. Numbers go on far above, as what was given out since is not known here. What
// waited to be sent was sent since, as far as anybody can tell. A tip whose deployment is cut off
// here is taken for unseen, so that polling finds it again.
constexpr const char* kAfterRestore = R"sql(
DELETE FROM refs_seen WHERE ref NOT LIKE 'refs/tags/%' AND app IN (SELECT app FROM deployments
    WHERE state NOT IN ('healthy', 'failed', 'rolled_back', 'canceled', 'superseded'));
UPDATE deployments SET state = 'failed', reason = 'interrupted',
    detail = 'the database was restored from a backup that knows no more of it',
    finished_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000
    WHERE state NOT IN ('healthy', 'failed', 'rolled_back', 'canceled', 'superseded');
UPDATE runs SET ended_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000 WHERE ended_at = 0;
UPDATE apps SET last_release = last_release + 1000;
DELETE FROM outbox WHERE state = 'waiting';
UPDATE sqlite_sequence SET seq = seq + CASE name WHEN 'events' THEN 1000000 ELSE 1000 END;
)sql";

std::string stamp() {
    auto text = format_time(std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()));
    std::erase_if(text, [](char c) { return c == ':' || c == '-'; });
    return text;
}

bool exists(const std::string& path) {
    struct stat found{};
    return ::lstat(path.c_str(), &found) == 0;
}

// Oldest first.
std::vector<std::string> sorted(const std::string& directory, std::string_view begins,
                                std::string_view ends) {
    std::vector<std::string> found;
    std::error_code failure;
    for (fs::directory_iterator each(directory, failure), end; !failure && each != end;
         each.increment(failure)) {
        auto name = each->path().filename().string();
        if (name.starts_with(begins) && name.ends_with(ends)) found.push_back(each->path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

// What is named after a time to come was made before the clock was set back.
std::vector<std::string> backups_in(const std::string& directory) {
    if (directory.empty()) return {};
    auto all = sorted(directory, kPrefix, kSuffix);
    const auto now = backup_name(directory);
    const auto past = std::partition_point(all.begin(), all.end(),
                                           [&](const std::string& one) { return one <= now; });
    std::rotate(all.begin(), past, all.end());
    return all;
}

Result<void> move(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return errno_error(errno, fmt::format("moving {} to {}", from, to));
}

void remove_database(const std::string& path) {
    for (const auto* end : {"", "-wal", "-shm", "-journal"})
        ::unlink((path + end).c_str());
}

// Puts what is laid ready in place. Its log goes aside before the file itself does: under another
// file it would be replayed into that. Where this is cut off, the next start does the rest, as what
// is laid ready is still there.
Result<std::string> put_in_place(const std::string& path) {
    auto aside = fmt::format("{}.aside-{}", path, stamp());
    std::string moved;
    if (exists(path + "-wal"))
        if (auto done = move(path + "-wal", aside + "-wal"); !done) return done.error();
    ::unlink((path + "-journal").c_str());
    if (exists(path)) {
        if (auto done = move(path, aside); !done) return done.error();
        moved = aside;
    }
    if (auto done = move(laid_ready(path), path); !done) return done.error();
    if (auto synced = sync_directory_of(path); !synced) return synced.error();
    auto old =
        sorted(fs::path(path).parent_path(), fs::path(path).filename().string() + ".aside-", "Z");
    for (std::size_t i = 0; i + kAsideKept < old.size(); ++i)
        remove_database(old[i]);
    return moved;
}

// A backup says itself whether it is one: nothing is written to it, not even a log beside it.
Result<void> check_source(const std::string& copy, const std::string& file) {
    auto connection = Connection::open(copy, kCopyWait);
    if (!connection) return connection.error();
    auto refusal = [&](Error error) {
        if (connection->fault() == Fault::damaged)
            return Error{Errc::invalid, fmt::format("{} is no database, or a damaged one", file)};
        // It is the copy that was looked at.
        for (std::size_t at = 0; (at = error.message.find(copy, at)) != std::string::npos;
             at += file.size())
            error.message.replace(at, copy.size(), file);
        return error;
    };
    auto version = check_version(*connection, static_cast<int>(migrations().size()));
    if (!version) return refusal(version.error());
    if (*version == 0)
        return Error{Errc::invalid, fmt::format("{} is empty: it holds no backup", file)};
    auto finding = connection->value("PRAGMA integrity_check(1)");
    if (!finding) return refusal(finding.error());
    if (*finding == "ok") return {};
    return Error{Errc::invalid, fmt::format("the backup {} is damaged: {}", file, *finding)};
}

Result<void> bring_up_to_date(const std::string& copy) {
    auto database = Database::open(copy, kCopyWait);
    if (!database) return database.error();
    auto& connection = (*database)->connection;
    auto done = connection.execute(std::string("BEGIN IMMEDIATE;") + kAfterRestore + "COMMIT");
    if (!done) return done;
    // One file, which a rename moves whole.
    auto mode = connection.value("PRAGMA journal_mode = DELETE");
    if (!mode) return mode.error();
    if (*mode != "delete")
        return Error{Errc::internal, fmt::format("{} keeps its log ({})", copy, *mode)};
    return {};
}

Result<void> lay_ready(const std::string& copy, const std::string& file,
                       const std::string& database) {
    std::error_code failure;
    fs::copy_file(file, copy, fs::copy_options::overwrite_existing, failure);
    if (failure) return errno_error(failure.value(), fmt::format("copying {} to {}", file, copy));
    ::chmod(copy.c_str(), 0600);
    if (exists(file + "-wal")) {
        fs::copy_file(file + "-wal", copy + "-wal", fs::copy_options::overwrite_existing, failure);
        if (failure) return errno_error(failure.value(), "copying " + file + "-wal");
    }
    auto done = check_source(copy, file);
    if (done) done = bring_up_to_date(copy);
    if (done) done = sync_file(copy);
    if (done) done = move(copy, laid_ready(database));
    return done ? sync_directory_of(database) : done;
}

// The newest sound backup, laid ready; "" where there is none.
std::string lay_newest_ready(const std::string& backups, const std::string& database) {
    auto all = backups_in(backups);
    for (auto one = all.rbegin(); one != all.rend(); ++one) {
        auto staged = stage_restore(*one, database);
        if (staged) return *one;
        log::error("a backup can't be used", {{"backup", *one}, {"error", staged.error().message}});
    }
    return {};
}

bool missing_or_empty(const std::string& path) {
    struct stat found{};
    return ::stat(path.c_str(), &found) != 0 ? errno == ENOENT
                                             : S_ISREG(found.st_mode) && found.st_size == 0;
}

}  // namespace

std::string laid_ready(const std::string& database) {
    return database + ".restore";
}

std::string older_schema_name(const std::string& backups, int version) {
    return fmt::format("{}/schema{}-{}{}", backups, version, stamp(), kSuffix);
}

std::string backup_name(const std::string& backups) {
    return fmt::format("{}/{}{}{}", backups, kPrefix, stamp(), kSuffix);
}

void drop_old_backups(const std::string& backups, int keep) {
    auto all = backups_in(backups);
    for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < all.size(); ++i)
        ::unlink(all[i].c_str());
}

std::optional<TimePoint> newest_backup(const std::string& backups) {
    auto all = backups_in(backups);
    struct stat found{};
    if (all.empty() || ::stat(all.back().c_str(), &found) != 0) return std::nullopt;
    return TimePoint(
        std::chrono::duration_cast<Millis>(std::chrono::seconds(found.st_mtim.tv_sec)));
}

Result<void> check_backup(const std::string& file) {
    return check_source(file, file);
}

Result<void> stage_restore(const std::string& file, const std::string& database) {
    struct stat source{};
    struct stat own{};
    if (::stat(file.c_str(), &source) != 0) return errno_error(errno, "reading " + file);
    if (!S_ISREG(source.st_mode))
        return Error{Errc::invalid, fmt::format("{} is no file: name a backup", file)};
    if (::stat(database.c_str(), &own) == 0 && own.st_dev == source.st_dev &&
        own.st_ino == source.st_ino)
        return Error{Errc::invalid, fmt::format("{} is the database itself: name a backup", file)};
    auto copy = laid_ready(database) + ".partial";
    remove_database(copy);
    auto done = lay_ready(copy, file, database);
    if (!done) remove_database(copy);
    return done;
}

Result<Opened> open_or_recover(StoreOptions options) {
    const auto path = options.path;
    std::optional<Recovered> recovered;
    auto swap = [&](std::string why, std::string from) -> Result<void> {
        auto moved = put_in_place(path);
        if (!moved) return moved.error();
        recovered = Recovered{std::move(why), std::move(*moved), std::move(from)};
        return {};
    };
    if (exists(laid_ready(path))) {
        if (auto done = swap("a database was laid ready to take its place", ""); !done)
            return done.error();
    } else if (missing_or_empty(path) && !backups_in(options.backups).empty()) {
        auto from = lay_newest_ready(options.backups, path);
        if (from.empty())
            return Error{Errc::internal,
                         fmt::format("the database {} is gone, and no backup in {} can be used: "
                                     "restore another one (belay restore FILE)",
                                     path, options.backups)};
        if (auto done = swap(fmt::format("{} was gone", path), from); !done) return done.error();
    }
    Fault fault = Fault::none;
    const auto expected =
        backups_in(options.backups).empty() ? Expected::anything : Expected::content;
    auto database = Database::open(path, options.busy_wait, options.backups, &fault, expected);
    if (!database && fault == Fault::damaged && !recovered) {
        auto why = database.error().message;
        auto from = lay_newest_ready(options.backups, path);
        if (from.empty()) return database.error();
        if (auto done = swap(std::move(why), from); !done) return done.error();
        database = Database::open(path, options.busy_wait, options.backups, &fault);
    }
    if (!database) return database.error();
    return Opened{make_store(std::move(*database), std::move(options)), std::move(recovered)};
}

}  // namespace belay::store
