#include "writer.hpp"

#include "writes.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <utility>

namespace belay::store {
namespace {

// 4 MiB, as SQLite's own default: what commits meanwhile waits for some 3 ms. With four times as
// many the slowest hundredth of a rush waited half as long again, and no more were taken in.
constexpr int kCheckpointPages = 1'000;

bool distrusted(Fault fault) {
    return fault == Fault::suspect || fault == Fault::damaged;
}

int on_commit(void* pages, sqlite3*, const char*, int in_log) {
    *static_cast<int*>(pages) = in_log;
    return SQLITE_OK;
}

}  // namespace

SameFile::SameFile(std::string path) : path_(std::move(path)) {
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0) return;  // check() will say so
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

Result<void> SameFile::check() const {
    struct stat status{};
    if (::stat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
        return {};
    return Error{Errc::internal,
                 fmt::format("{} was removed or replaced while it was in use", path_)};
}

Writer::Writer(Connection& connection)
    : connection_(connection),
      database_(connection.path()),
      log_(connection.path() + "-wal"),
      reserve_(connection.path() + ".reserve"),
      next_checkpoint_(kCheckpointPages) {
    sqlite3_wal_hook(connection_.raw(), on_commit, &pages_);
}

Result<void> Writer::begin() {
    if (refusal_) return *refusal_;
    connection_.clear_fault();
    auto begun = connection_.query("BEGIN IMMEDIATE").run();
    if (!begun) return give_up(begun.error());
    return {};
}

Result<void> Writer::end() {
    for (const auto* file : {&database_, &log_}) {
        auto same = file->check();
        if (same) continue;
        lost_ = true;
        refusal_ = prefixed("nothing is stored any more until `belay serve` is started again",
                            same.error());
        return give_up(*refusal_);
    }
    auto committed = connection_.query("COMMIT").run();
    if (!committed) return give_up(committed.error());
    return {};
}

Error Writer::give_up(Error error) {
    auto fault = connection_.fault();
    if (connection_.in_transaction()) {
        auto undone = connection_.query("ROLLBACK").run();
        if (!undone) fault = Fault::suspect;
    }
    if (distrusted(fault) && !refusal_) {
        // A failed fsync may have dropped data that earlier calls took for written: only a fresh
        // look can tell.
        refusal_ = Error{Errc::internal,
                         fmt::format("{}; nothing is stored any more until the cause is mended and "
                                     "`belay serve` is started again",
                                     error.message)};
        log::error("the database refuses further writes", {{"error", error.message}});
        return *refusal_;
    }
    return error;
}

Writer::Results Writer::commit(const Group& group) {
    auto results = try_commit(group);
    const bool full = std::any_of(results.begin(), results.end(), [](const auto& result) {
        return !result && result.error().code == Errc::disk_full;
    });
    if (full && reserve_.release()) return try_commit(group);  // of a full disk nothing was written
    if (!full) reserve_.refill();
    return results;
}

Writer::Results Writer::try_commit(const Group& group) {
    auto results = commit_at_once(group);
    return results ? std::move(*results) : commit_apart(group);
}

// As nearly always nothing fails. None where one batch is to blame: nothing is written then.
std::optional<Writer::Results> Writer::commit_at_once(const Group& group) {
    auto begun = begin();
    if (!begun) return Results(group.size(), begun.error());
    auto failed = [&](const Error& error) -> std::optional<Results> {
        const bool fault = connection_.fault() != Fault::none;
        auto known = give_up(error);
        if (fault) return Results(group.size(), known);
        return std::nullopt;
    };
    Results results;
    LastVersions later;
    for (const auto* batch : group) {
        const bool waits = may_wait(*batch);
        auto written = waits ? Result<void>() : later.write(connection_);
        if (!written) return failed(written.error());
        auto applied = apply_batch(connection_, *batch, waits ? &later : nullptr);
        if (!applied) return failed(applied.error());
        results.push_back(std::move(applied));
    }
    auto written = later.write(connection_);
    if (!written) return failed(written.error());
    return finish(std::move(results));
}

// Each can be undone by itself, at the price of a copy of every page that it changes.
Writer::Results Writer::commit_apart(const Group& group) {
    auto begun = begin();
    if (!begun) return Results(group.size(), begun.error());
    Results results;
    for (const auto* batch : group) {
        results.push_back(apply_apart(*batch));
        if (connection_.fault() != Fault::none)
            return Results(group.size(), give_up(results.back().error()));
    }
    return finish(std::move(results));
}

Result<ports::Committed> Writer::apply_apart(const std::vector<ports::Write>& batch) {
    auto opened = connection_.query("SAVEPOINT batch").run();
    if (!opened) return opened.error();
    auto applied = apply_batch(connection_, batch, nullptr);
    // After a storage fault the whole group is given up; SQLite may have undone the transaction by
    // itself.
    if (connection_.fault() != Fault::none) return applied;
    if (!applied) {
        auto undone = connection_.query("ROLLBACK TO batch").run();
        if (!undone) return undone.error();
    }
    auto closed = connection_.query("RELEASE batch").run();
    if (!closed) return closed.error();
    return applied;
}

Writer::Results Writer::finish(Results results) {
    auto ended = end();
    if (ended) return results;
    for (auto& result : results)
        if (result) result = ended.error();
    return results;
}

Result<std::int64_t> Writer::prune(TimePoint before, int keep_newest) {
    auto begun = begin();
    if (!begun) return begun.error();
    auto pruned = prune_step(connection_, before, keep_newest);
    if (!pruned) return give_up(pruned.error());
    auto ended = end();
    if (!ended) return ended.error();
    return pruned;
}

bool Writer::checkpoint_due() const {
    return pages_ >= next_checkpoint_;
}

void Writer::checkpoint() {
    if (refusal_) return;
    connection_.clear_fault();
    auto code = sqlite3_wal_checkpoint_v2(connection_.raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                          nullptr, nullptr);
    if (code == SQLITE_OK) {
        next_checkpoint_ = kCheckpointPages;
        pages_ = 0;  // the next commit says how many there are
        return;
    }
    auto error = connection_.error(sqlite3_extended_errcode(connection_.raw()));
    // Nothing is lost: the log still holds it. Tried again once as much has come again.
    next_checkpoint_ = pages_ + kCheckpointPages;
    log::warning("the database's log could not be carried over", {{"error", error.message}});
    if (distrusted(connection_.fault())) static_cast<void>(give_up(std::move(error)));
}

}  // namespace belay::store
