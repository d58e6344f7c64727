#include "writer.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <sys/stat.h>
#include <utility>

namespace belay::store {
namespace {

constexpr int kCheckpointPages = 1'000;  // SQLite's own default: 4 MiB

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
    if (fault == Fault::suspect && !refusal_) {
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

Result<ports::Committed> Writer::apply(const std::vector<ports::Write>& batch,
                                       LastVersions* later) {
    LastVersions own;
    auto opened = connection_.query("SAVEPOINT batch").run();
    if (!opened) return opened.error();
    auto applied = apply_batch(connection_, batch, later ? &own : nullptr);
    // After a storage fault the whole group is given up; SQLite may have undone the transaction by
    // itself.
    if (connection_.fault() != Fault::none) return applied;
    if (!applied) {
        auto undone = connection_.query("ROLLBACK TO batch").run();
        if (!undone) return undone.error();
    }
    auto closed = connection_.query("RELEASE batch").run();
    if (!closed) return closed.error();
    if (applied && later) later->take(own);
    return applied;
}

std::vector<Result<ports::Committed>> Writer::commit(
    const std::vector<const std::vector<ports::Write>*>& group) {
    auto results = commit_together(group, true);
    if (!results) results = commit_together(group, false);
    return std::move(*results);
}

std::optional<Writer::Results> Writer::commit_together(const Group& group, bool rows_wait) {
    auto all_failed = [&](const Error& error) {
        return Results(group.size(), Result<ports::Committed>(error));
    };
    auto begun = begin();
    if (!begun) return all_failed(begun.error());
    Results results;
    LastVersions later;
    auto write_rows = [&]() -> std::optional<Results> {
        auto written = later.write(connection_);
        if (written) return Results();
        const bool fault = connection_.fault() != Fault::none;
        auto error = give_up(written.error());
        return fault ? std::optional(all_failed(error)) : std::nullopt;
    };
    for (const auto* batch : group) {
        const bool waits = rows_wait && may_wait(*batch);
        if (!waits)
            if (auto written = write_rows(); !written || !written->empty()) return written;
        results.push_back(apply(*batch, waits ? &later : nullptr));
        if (connection_.fault() != Fault::none) return all_failed(give_up(results.back().error()));
    }
    if (auto written = write_rows(); !written || !written->empty()) return written;
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
    if (connection_.fault() == Fault::suspect) static_cast<void>(give_up(std::move(error)));
}

}  // namespace belay::store
