// A copy of the open database, made page by page by SQLite's backup interface
// (sqlite.org/backup.html) while commits go on.
#pragma once

#include "sqlite.hpp"

#include <string>

namespace belay::store {

// The store's thread only. Until finish() the copy lies under another name; what is not finished is
// removed.
class Copying {
  public:
    explicit Copying(std::string file)
        : file_(std::move(file)), partial_(file_ + ".belay-partial") {}
    Copying(const Copying&) = delete;
    Copying& operator=(const Copying&) = delete;
    ~Copying();

    // Some pages more; true: that was all. What the same connection commits between two steps is
    // taken over by SQLite.
    Result<bool> step(Connection& from);
    // The copy is on disk under its name, with no log beside it.
    Result<void> finish();

  private:
    Result<void> begin(Connection& from);

    std::string file_;
    std::string partial_;
    std::unique_ptr<Connection> to_;
    sqlite3_backup* backup_ = nullptr;
    bool ours_ = false;  // the partial file is this one's to remove
};

// Makes a file's content, and a file's name, durable.
Result<void> sync_file(const std::string& file);
Result<void> sync_directory_of(const std::string& file);

}  // namespace belay::store
