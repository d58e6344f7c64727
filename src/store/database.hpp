// The open file: the connection and the only one that writes through it.
#pragma once

#include "sqlite.hpp"
#include "writer.hpp"

#include <memory>
#include <string>

namespace belay::store {

// Whether a database without a single table may be what it is.
enum class Expected {
    anything,
    content,  // it had some: with a damaged log SQLite takes it for new, and says nothing
};

struct Database {
    // Errors as store::open().
    // `backups`: where an older schema is kept before it is brought up to date; empty: nowhere.
    // `fault`, where given: what kind of trouble an error is.
    static Result<std::unique_ptr<Database>> open(const std::string& path, Millis busy_wait,
                                                  const std::string& backups = {},
                                                  Fault* fault = nullptr,
                                                  Expected expected = Expected::anything);

    explicit Database(Connection opened) : connection(std::move(opened)), writer(connection) {}

    Connection connection;
    Writer writer;
};

struct StoreOptions;
// Where the file is kept as it was before an upgrade of its schema.
std::string older_schema_name(const std::string& backups, int version);
std::unique_ptr<ports::Store> make_store(std::unique_ptr<Database> database, StoreOptions options);

}  // namespace belay::store
