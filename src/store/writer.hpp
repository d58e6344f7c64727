// Group commit: what waits becomes one transaction, in which each batch stands or falls by itself.
#pragma once

#include "reserve.hpp"
#include "sqlite.hpp"

#include <belay/ports/store.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace belay::store {

// Whether a path still names the file it named at first: a database that was removed or replaced
// under its program keeps taking writes that nobody will find again.
class SameFile {
  public:
    explicit SameFile(std::string path);
    Result<void> check() const;

  private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

// The store's thread only.
class Writer {
  public:
    // The connection is open and migrated, and outlives the writer.
    explicit Writer(Connection& connection);
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    using Results = std::vector<Result<ports::Committed>>;
    using Group = std::vector<const std::vector<ports::Write>*>;

    // One result a batch, in order. When it returns, what succeeded is on disk.
    Results commit(const Group& group);
    Result<std::int64_t> prune(TimePoint before, int keep_newest);

    // The write-ahead log is due to be carried over. Apart from commit(), so that nobody waits for
    // it, and because a failed fsync in it must not pass unseen, as it would in SQLite's own
    // automatic checkpoint.
    bool checkpoint_due() const;
    void checkpoint();

    // With what every further write is refused; and whether that is because the file or its log was
    // removed or replaced.
    const std::optional<Error>& refusal() const { return refusal_; }
    bool lost() const { return lost_; }

  private:
    Result<void> begin();
    Results try_commit(const Group& group);
    std::optional<Results> commit_at_once(const Group& group);
    Results commit_apart(const Group& group);
    Result<ports::Committed> apply_apart(const std::vector<ports::Write>& batch);
    Results finish(Results results);
    Result<void> end();
    // Undoes the open transaction, and after an I/O error or damage refuses all further writes.
    Error give_up(Error error);

    Connection& connection_;
    SameFile database_;
    SameFile log_;
    Reserve reserve_;
    std::optional<Error> refusal_;
    bool lost_ = false;
    int pages_ = 0;  // in the write-ahead log
    int next_checkpoint_;
};

}  // namespace belay::store
