// The durable record on SQLite: one file, one connection, one thread of its own.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>
#include <belay/ports/store.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace belay::store {

// Why a store that is open takes no more writes.
enum class Distrust {
    lost,     // the file or its log was removed or replaced; what was committed can still be read
    unsound,  // an I/O error or damage: what was committed may be lost, only a fresh look can tell
};

struct StoreOptions {
    std::string path;                         // of the database file; its directory must exist
    boost::asio::any_io_executor executor{};  // the loop
    Millis busy_wait{5'000};  // how long opening waits for another program that reads the file
    // Told once, on the loop, with the sentence that every further write is refused with.
    std::function<void(Distrust, std::string)> on_distrust{};
    // Told on the loop of every batch: how long its caller waited for it, and what came of it.
    std::function<void(std::chrono::duration<double>, const Result<ports::Committed>&)> on_commit{};
    // The directory for backups. A file with an older schema is copied there, as schemaN-TIME.db,
    // before it is brought up to date; empty: it is not.
    std::string backups{};
};

// Blocks the caller; for start-up. Makes the file (0600) where it is missing and brings an older
// schema up to date. not_found: no such directory. forbidden: no right to read or write it.
// disk_full. conflict: another process has it open, its schema is newer (the file is left as it
// is), or it is no database of Belay's. internal: it is damaged. close() must have returned before
// the store goes, unless the loop no longer runs.
Result<std::unique_ptr<ports::Store>> open(StoreOptions options);

// What was found in the database's place, and what stands there now.
struct Recovered {
    std::string why;       // what was wrong, or that a restore was asked for
    std::string moved_to;  // where that file lies now; empty: there was none
    std::string from;      // the backup; empty: what `belay restore` or a rescue had laid ready
};

struct Opened {
    std::unique_ptr<ports::Store> store;
    std::optional<Recovered> recovered;
};

// As open(), but first puts in place what stage_restore() laid ready. A database that is damaged,
// or missing or empty where options.backups holds backups, is moved aside, and the newest sound
// backup takes its place as by stage_restore(); where there is none, the file is left as it is and
// the error is that of open().
Result<Opened> open_or_recover(StoreOptions options);

// Copies a backup, checks it, brings it up to date, and lays it ready for the next
// open_or_recover(): what it holds as unfinished ended with the daemon that wrote it, and numbers
// go on far above those that it knows, so that none is given out twice. Blocks. Errc::not_found,
// invalid (no database of Belay's, damaged), conflict (its schema is newer), disk_full.
Result<void> stage_restore(const std::string& file, const std::string& database);

// The file that the next open_or_recover() puts in the database's place.
std::string laid_ready(const std::string& database);

// Reads a backup whole. Errc::invalid: it is none, or a damaged one; conflict: its schema is newer.
// Writes nothing.
Result<void> check_backup(const std::string& file);

// The name of a backup that is made now: sorts by time.
std::string backup_name(const std::string& backups);

// Removes all but the newest `keep` backups.
void drop_old_backups(const std::string& backups, int keep);

// When the newest backup was made; none: there is none.
std::optional<TimePoint> newest_backup(const std::string& backups);

}  // namespace belay::store
