// The durable record on SQLite: one file, one connection, one thread of its own.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>
#include <belay/ports/store.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace belay::store {

struct StoreOptions {
    std::string path;                         // of the database file; its directory must exist
    boost::asio::any_io_executor executor{};  // the loop
    Millis busy_wait{5'000};  // how long opening waits for another program that reads the file
};

// Blocks the caller; for start-up. Makes the file (0600) where it is missing and brings an older
// schema up to date. not_found: no such directory. forbidden: no right to read or write it.
// disk_full. conflict: another process has it open, its schema is newer (the file is left as it
// is), or it is no database of Belay's. internal: it is damaged. close() must have returned before
// the store goes, unless the loop no longer runs.
Result<std::unique_ptr<ports::Store>> open(StoreOptions options);

}  // namespace belay::store
