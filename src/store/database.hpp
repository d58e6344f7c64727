// The open file: the connection and the only one that writes through it.
#pragma once

#include "sqlite.hpp"
#include "writer.hpp"

#include <memory>
#include <string>

namespace belay::store {

struct Database {
    // Errors as store::open().
    static Result<std::unique_ptr<Database>> open(const std::string& path, Millis busy_wait);

    explicit Database(Connection opened) : connection(std::move(opened)), writer(connection) {}

    Connection connection;
    Writer writer;
};

}  // namespace belay::store
