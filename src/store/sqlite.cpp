#include "sqlite.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace belay::store {

Error damaged(const std::string& path, std::string_view finding) {
    return Error{
        Errc::internal,
        fmt::format("the database {0} is damaged: {1}; what is live stays up. Restore a backup "
                    "(belay restore FILE), or move it aside (mv {0} {0}.damaged, and {0}-wal "
                    "too where it exists) and start again with an empty one",
                    path, finding)};
}

Query::Query(Connection& connection, sqlite3_stmt* statement)
    : connection_(connection), statement_(statement) {
    connection_.texts().enter();
    if (!statement_) failure_ = connection_.error(sqlite3_extended_errcode(connection_.raw()));
}

Query::~Query() {
    if (statement_) {
        // A statement left in the middle would hold its read transaction, and so the WAL.
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    connection_.texts().leave();
}

void Query::bind(std::int64_t value) {
    if (failure_) return;
    if (auto code = sqlite3_bind_int64(statement_, ++bound_, value)) fail(connection_.error(code));
}

void Query::bind(std::string_view value) {
    if (failure_) return;
    const auto* kept = connection_.texts().keep(value);
    if (auto code = sqlite3_bind_text64(statement_, ++bound_, kept, value.size(), SQLITE_STATIC,
                                        SQLITE_UTF8))
        fail(connection_.error(code));
}

void Query::bind_null() {
    if (failure_) return;
    if (auto code = sqlite3_bind_null(statement_, ++bound_)) fail(connection_.error(code));
}

Result<bool> Query::step() {
    if (failure_) return *failure_;
    column_ = 0;
    auto code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    fail(connection_.error(sqlite3_extended_errcode(connection_.raw())));
    return *failure_;
}

Result<void> Query::run() {
    while (true) {
        auto row = step();
        if (!row) return row.error();
        if (!*row) return {};
    }
}

bool Query::next_is_null() const {
    return sqlite3_column_type(statement_, column_) == SQLITE_NULL;
}

std::int64_t Query::next_integer() {
    return sqlite3_column_int64(statement_, column_++);
}

std::string_view Query::next_text() {
    auto column = column_++;
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return bytes ? std::string_view(bytes, size) : std::string_view();
}

void Query::fail(Error error) {
    if (!failure_) failure_ = std::move(error);
}

Result<void> Query::ok() const {
    if (failure_) return *failure_;
    return {};
}

Result<Connection> Connection::open(const std::string& path, Millis busy_wait) {
    // Nobody asks what memory SQLite uses, and counting takes a lock for each allocation.
    static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    static_cast<void>(configured);
    Connection connection(path);
    sqlite3* handle = nullptr;
    auto code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                nullptr);
    connection.handle_.reset(handle);
    if (code) return connection.error(handle ? sqlite3_extended_errcode(handle) : code);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, static_cast<int>(busy_wait.count()));
    return connection;
}

Query Connection::query(std::string_view sql) {
    auto& statement = statements_[sql];
    if (!statement) {
        sqlite3_stmt* made = nullptr;
        sqlite3_prepare_v3(raw(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &made, nullptr);
        statement.reset(made);
    }
    return Query(*this, statement.get());
}

Result<void> Connection::execute(const std::string& sql) {
    if (sqlite3_exec(raw(), sql.c_str(), nullptr, nullptr, nullptr))
        return error(sqlite3_extended_errcode(raw()));
    return {};
}

Result<std::string> Connection::value(const std::string& sql) {
    sqlite3_stmt* made = nullptr;
    sqlite3_prepare_v2(raw(), sql.c_str(), -1, &made, nullptr);
    std::unique_ptr<sqlite3_stmt, Finalize> statement(made);
    Query query(*this, made);
    auto row = query.step();
    if (!row) return row.error();
    if (!*row) return std::string();
    return std::string(query.next_text());
}

namespace {

// The errno of the last failure on the database's file or on its log. Not sqlite3_system_errno():
// that is what `errno` is once SQLite has rolled back, so often another one's.
int last_errno(sqlite3* handle, int which) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(handle, "main", which, &file);
    int number = 0;
    if (file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

// Errnos by which the kernel turns a write down: nothing of it was done.
std::optional<Errc> refusal_of(int number) {
    switch (number) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return Errc::disk_full;
        case EROFS:
            return Errc::forbidden;
        default:
            return std::nullopt;
    }
}

}  // namespace

Error Connection::io_error(int code) {
    auto on_log = last_errno(raw(), SQLITE_FCNTL_JOURNAL_POINTER);
    auto on_file = last_errno(raw(), SQLITE_FCNTL_FILE_POINTER);
    auto number = on_log ? on_log : on_file;
    auto reason =
        number ? std::generic_category().message(number) : std::string(sqlite3_errstr(code));
    // They stick to the files, so an older one of the other kind is taken for the worse.
    auto turned_down = refusal_of(number);
    if (on_file && !refusal_of(on_file)) turned_down.reset();
    if (code == SQLITE_IOERR_WRITE && turned_down) {
        fault_ = Fault::refused;
        return Error{
            *turned_down,
            fmt::format("writing the database {}: {}; nothing was stored. Make room for it, or "
                        "make its file system writable, then try again",
                        path_, reason)};
    }
    // Above all a failed fsync, whatever its errno: the kernel may have dropped what it took before
    // (deploy-safety.md, fault 61).
    fault_ = Fault::suspect;
    return Error{Errc::internal,
                 fmt::format("I/O error ({}) on the database {}: {}", code, path_, reason)};
}

Error Connection::found_damaged(std::string_view finding) {
    fault_ = Fault::damaged;
    return damaged(path_, finding);
}

Error Connection::error(int code) {
    auto text = raw() ? std::string(sqlite3_errmsg(raw())) : std::string(sqlite3_errstr(code));
    switch (code & 0xff) {
        case SQLITE_FULL:
            fault_ = Fault::refused;
            return Error{Errc::disk_full,
                         fmt::format("writing the database {}: no space left on its "
                                     "file system; nothing was stored. Free some "
                                     "space, then try again",
                                     path_)};
        case SQLITE_IOERR:
            return io_error(code);
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return found_damaged(text);
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_CANTOPEN: {
            fault_ = Fault::refused;
            if (auto number = raw() ? sqlite3_system_errno(raw()) : 0)
                return errno_error(number,
                                   fmt::format("opening or writing the database {}", path_));
            return Error{Errc::forbidden,
                         fmt::format("the database {} can't be opened or written: {}. "
                                     "Make it and its directory writable for this user",
                                     path_, text)};
        }
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            fault_ = Fault::refused;
            return Error{Errc::conflict,
                         fmt::format("the database {} is in use by another process: is "
                                     "a second `belay serve` running on this state "
                                     "directory?",
                                     path_)};
        case SQLITE_NOMEM:
            fault_ = Fault::refused;
            return Error{Errc::unavailable, fmt::format("the database {}: out of memory", path_)};
        case SQLITE_TOOBIG:
            return Error{Errc::limit,
                         fmt::format("a value is too large for the database {}", path_)};
        case SQLITE_CONSTRAINT:
            if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
                return Error{Errc::conflict, fmt::format("the database {}: {}", path_, text)};
            if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
                return Error{Errc::not_found,
                             fmt::format("the database {}: what this row belongs to "
                                         "does not exist",
                                         path_)};
            [[fallthrough]];
        default:
            return Error{Errc::internal,
                         fmt::format("the database {}: {} ({})", path_, text, code)};
    }
}

}  // namespace belay::store
