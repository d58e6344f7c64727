// SQLite's C interface with owners, a statement cache, and errors that name the file and the cure.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <sqlite3.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace belay::store {

// What kind of trouble the storage itself had, as opposed to a row that does not fit.
enum class Fault {
    none,
    refused,  // full, read-only, no memory: nothing was written, trying again may help
    suspect,  // an I/O error: what was written before may be lost
    damaged,  // the content is not what was written
};

class Connection;

// Copies of texts for as long as a statement needs them. SQLite's own copies are an allocation
// each, and Debian builds it without the store of small ones (SQLITE_OMIT_LOOKASIDE).
class BoundTexts {
  public:
    void enter() { ++users_; }
    void leave() {
        if (--users_ == 0) texts_.release();
    }
    const char* keep(std::string_view text) {
        auto* kept = static_cast<char*>(texts_.allocate(text.size(), 1));
        text.copy(kept, text.size());
        return kept;
    }

  private:
    std::array<std::byte, 8192> first_;  // release() goes back to it
    std::pmr::monotonic_buffer_resource texts_{first_.data(), first_.size()};
    int users_ = 0;
};

// A cached statement in use. Binds and reads go left to right. The first failure sticks and is what
// step() returns, so that the calls before it need no checks.
class Query {
  public:
    Query(Connection& connection, sqlite3_stmt* statement);
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;
    ~Query();

    void bind(std::int64_t value);
    void bind(std::string_view value);
    void bind_null();

    Result<bool> step();  // true: there is a row
    Result<void> run();   // for statements whose rows are of no interest

    // The next column of the present row.
    bool next_is_null() const;
    std::int64_t next_integer();
    std::string_view next_text();  // valid until the next step()
    void skip() { ++column_; }

    // For values that SQLite accepts and the caller can't: reported by ok().
    void fail(Error error);
    Result<void> ok() const;

  private:
    Connection& connection_;
    sqlite3_stmt* statement_;
    int bound_ = 0;
    int column_ = 0;
    std::optional<Error> failure_;
};

// One thread at a time.
class Connection {
  public:
    // The file must exist; its content is not looked at yet.
    static Result<Connection> open(const std::string& path, Millis busy_wait);

    const std::string& path() const { return path_; }
    sqlite3* raw() const { return handle_.get(); }

    BoundTexts& texts() { return *texts_; }

    // `sql` must outlive the connection: the cache knows statements by their text.
    Query query(std::string_view sql);
    // Statements whose rows are of no interest; not cached.
    Result<void> execute(const std::string& sql);
    // The one value of a statement's only row, as text; not cached.
    Result<std::string> value(const std::string& sql);

    bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
    std::int64_t changes() const { return sqlite3_changes64(handle_.get()); }

    // The error for SQLite's code, remembered as a fault where the storage is to blame.
    Error error(int code);
    Fault fault() const { return fault_; }
    // The content was found to be damaged by a check.
    Error found_damaged(std::string_view finding);
    void clear_fault() { fault_ = Fault::none; }

  private:
    struct Close {
        void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
    };
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };

    explicit Connection(std::string path) : path_(std::move(path)) {}
    Error io_error(int code);

    std::string path_;
    std::unique_ptr<sqlite3, Close> handle_;
    std::unordered_map<std::string_view, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
    std::unique_ptr<BoundTexts> texts_ = std::make_unique<BoundTexts>();
    Fault fault_ = Fault::none;
};

// The message for a file that can't be trusted.
Error damaged(const std::string& path, std::string_view finding);

}  // namespace belay::store
