#include "database.hpp"

#include "copying.hpp"
#include "migrations.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::store {
namespace {

constexpr mode_t kMode = 0600;  // it names commits, authors and what went wrong

Result<void> make_file(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISREG(status.st_mode)) return {};
        return Error{Errc::invalid, fmt::format("the database {} is not a regular file", path)};
    }
    // Only where it is missing: closing a second descriptor of an open database would drop its
    // locks (fcntl(2)).
    auto file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    if (file < 0) return errno_error(errno, fmt::format("creating the database {}", path));
    ::close(file);
    return {};
}

Result<void> make_private(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 07777) == kMode) return {};
    if (::chmod(path.c_str(), kMode) == 0) return {};
    return errno_error(errno, fmt::format("making the database {} private (mode 0600)", path));
}

// Sets a pragma and checks what it became: SQLite answers a setting that it can't follow with
// another value, not an error.
Result<void> set(Connection& connection, const std::string& pragma, const std::string& value,
                 const std::string& expected) {
    auto answer = connection.value(fmt::format("PRAGMA {} = {}", pragma, value));
    if (!answer) return answer.error();
    answer = connection.value("PRAGMA " + pragma);
    if (!answer) return answer.error();
    if (*answer == expected) return {};
    return Error{Errc::internal,
                 fmt::format("the database {} can't be used with {} = {} (it answers {}): is "
                             "it on a network file system?",
                             connection.path(), pragma, value, *answer)};
}

Result<void> check_content(Connection& connection) {
    auto finding = connection.value("PRAGMA quick_check(1)");
    if (!finding) return finding.error();
    if (*finding == "ok") return {};
    return connection.found_damaged(*finding);
}

// The way back from an upgrade: an older Belay refuses what this one makes of the file.
Result<void> keep_older(Connection& connection, int version, const std::string& backups) {
    if (backups.empty() || version == 0 || version == static_cast<int>(migrations().size()))
        return {};
    Copying copy(older_schema_name(backups, version));
    while (true) {
        auto all = copy.step(connection);
        if (!all) return prefixed("keeping the database as it was before the upgrade", all.error());
        if (*all) return copy.finish();
    }
}

Result<void> prepare(Connection& connection, const std::string& backups, Expected expected) {
    auto* raw = connection.raw();
    // SQLite falls back to reading by itself.
    if (sqlite3_db_readonly(raw, "main") != 0)
        return Error{Errc::forbidden,
                     fmt::format("the database {} can't be written: make it and its "
                                 "directory writable for this user",
                                 connection.path())};
    // Until all is well the file stays as it was, its log too.
    sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    // One connection only: 3.40 may lose data where two share a log (fixed in 3.51.3), and a second
    // daemon must not get in.
    auto done = set(connection, "locking_mode", "EXCLUSIVE", "exclusive");
    if (!done) return done;
    auto version = check_version(connection, static_cast<int>(migrations().size()));
    if (!version) return version.error();
    if (*version == 0 && expected == Expected::content)
        return connection.found_damaged("nothing of its content is left");
    done = make_private(connection.path());
    // Of a whole history little is needed again; what is kept in memory of it is the daemon's size.
    if (done) done = set(connection, "cache_size", "-1024", "-1024");
    if (done) done = check_content(connection);
    if (done) sqlite3_db_release_memory(raw);
    if (done) done = set(connection, "journal_mode", "WAL", "wal");
    // What one large commit or a long read made of the log is given back.
    if (done) done = set(connection, "journal_size_limit", "8388608", "8388608");
    // A 202 promises that the delivery survives a power cut: FULL syncs the log at each commit.
    if (done) done = set(connection, "synchronous", "FULL", "2");
    if (done) done = set(connection, "foreign_keys", "ON", "1");
    // What a transaction keeps to undo one of its batches: files for it would cost more than the
    // batch.
    if (done) done = set(connection, "temp_store", "MEMORY", "2");
    if (done) done = set(connection, "trusted_schema", "OFF", "0");
    if (done) done = keep_older(connection, *version, backups);
    if (done) done = migrate(connection, migrations());
    if (done) sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
    return done;
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::string& path, Millis busy_wait,
                                                 const std::string& backups, Fault* fault,
                                                 Expected expected) {
    auto made = make_file(path);
    if (!made) return made.error();
    auto connection = Connection::open(path, busy_wait);
    if (!connection) return connection.error();
    auto prepared = prepare(*connection, backups, expected);
    if (fault) *fault = connection->fault();
    if (!prepared) return prepared.error();
    return std::make_unique<Database>(std::move(*connection));
}

}  // namespace belay::store
