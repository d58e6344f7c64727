// Clean-up of what nobody needs any more: by the hour, and when asked for (`belay gc`).
#include "retention.hpp"

#include "engine_core.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace belay::engine {

using domain::ReleaseState;

namespace {

// The first time soon after the start: a daemon that never lives for long cleans up, too.
constexpr Millis kFirstHousekeeping{60'000};
constexpr Millis kHousekeeping{600'000};
// Failed ones stay a while for whoever looks into them.
constexpr int kFailedKept = 2;

}  // namespace

std::vector<Unneeded> unneeded_releases(const Kept& kept) {
    const auto& keep = kept.keep;
    std::map<ReleaseNumber, const domain::Release*> rows;
    std::set<ReleaseNumber> wanted = kept.needed;
    std::set<ReleaseNumber> ever = kept.needed;  // whatever the disk says
    int healthy = 0;
    int failed = 0;
    bool before_live = false;
    for (const auto& row : kept.rows) {
        rows[row.number] = &row;
        if (row.state == ReleaseState::pruned) continue;
        if (row.healthy_since == TimePoint{}) {
            if (failed++ < kFailedKept) wanted.insert(row.number);
            continue;
        }
        // One that turned out bad is no way back, as rollback passes it over too.
        const bool way_back =
            !before_live && row.number < kept.live && row.state != ReleaseState::bad;
        before_live = before_live || way_back;
        if (way_back) ever.insert(row.number);
        if (++healthy <= keep.releases || way_back) wanted.insert(row.number);
    }
    auto bytes_of = [&](ReleaseNumber number) -> std::uint64_t {
        auto row = rows.find(number);
        if (row == rows.end() || row->second->bytes < 0) return 0;
        return static_cast<std::uint64_t>(row->second->bytes);
    };
    std::vector<Unneeded> unneeded;
    std::uint64_t total = 0;
    for (auto number : kept.on_disk) {
        if (wanted.contains(number)) {
            total += bytes_of(number);
            continue;
        }
        auto row = rows.find(number);
        const bool was_healthy = row != rows.end() && row->second->healthy_since != TimePoint{};
        unneeded.push_back({number, bytes_of(number),
                            was_healthy
                                ? fmt::format("beyond keep.releases = {}", keep.releases)
                                : std::string("it never was healthy, and is not one of the last")});
    }
    for (auto number : kept.on_disk) {
        if (total <= keep.disk) break;
        if (!wanted.contains(number) || ever.contains(number)) continue;
        total -= bytes_of(number);
        unneeded.push_back({number, bytes_of(number), "beyond keep.disk"});
    }
    std::sort(unneeded.begin(), unneeded.end(),
              [](const Unneeded& a, const Unneeded& b) { return a.release < b.release; });
    return unneeded;
}

Task<void> EngineCore::housekeeping() {
    auto pause = kFirstHousekeeping;
    while (true) {
        const bool slept = co_await services_.world.timers.sleep(pause, services_.closing);
        if (!slept) co_return;
        pause = kHousekeeping;
        auto* store = services_.journal.store();
        if (!store) continue;
        for (auto& [name, app] : apps_) {
            auto removals = co_await prune_releases(*app, false);
            if (!removals)
                log::warning("old releases were not looked through",
                             {{"app", name}, {"error", removals.error().message}});
        }
        for (const auto& [name, app] : apps_)
            if (services_.hooks.prune_logs)
                services_.hooks.prune_logs(
                    name, app->config ? app->config->keep.logs : domain::Keep{}.logs);
        // As long as any app wants its logs.
        Millis keep{0};
        for (const auto& [name, app] : apps_)
            keep = std::max(keep, app->config ? app->config->keep.logs : domain::Keep{}.logs);
        co_await prune_history(apps_.empty() ? domain::Keep{}.logs : keep);
    }
}

Task<void> EngineCore::prune_history(Millis keep) {
    while (!services_.closing.requested()) {
        auto* store = services_.journal.store();
        if (!store) co_return;
        auto pruned = co_await store->prune(services_.now() - keep, 100);
        if (!pruned)
            log::warning("old history was not removed", {{"error", pruned.error().message}});
        if (!pruned || *pruned == 0) co_return;
    }
}

std::set<ReleaseNumber> EngineCore::needed_releases(const AppContext& app) const {
    std::set<ReleaseNumber> needed{app.record.live, app.record.stable, app.live_release.number,
                                   app.fallback_release.number};
    if (app.stable) needed.insert(app.stable->number);
    for (const auto* set : {&app.live, &app.fallback, &app.candidate})
        if (*set) needed.insert((*set)->release());
    for (const auto& run : services_.world.runtime.runs())
        if (auto name = parse_run_name(run.run_id); name && name->app == app.name)
            needed.insert(name->release);
    auto add = [&](const domain::Deployment& deployment) {
        needed.insert({deployment.release, deployment.source, deployment.previous});
    };
    if (app.active) add(app.active->deployment);
    for (const auto& queued : app.queue)
        add(queued);
    return needed;
}

Task<Result<std::vector<Removal>>> EngineCore::prune_releases(AppContext& app, bool dry_run) {
    std::vector<Removal> removals;
    if (app.record.removed || !services_.journal.store()) co_return removals;
    auto rows = co_await services_.journal.store()->releases(app.name);
    if (!rows) co_return rows.error();
    auto on_disk = co_await services_.world.releases.list(app.name);
    if (!on_disk) co_return on_disk.error();
    Kept kept{*rows, std::move(*on_disk), app.record.live, needed_releases(app),
              app.config ? app.config->keep : domain::Keep{}};
    for (const auto& unneeded : unneeded_releases(kept)) {
        // What a deployment works on is never far: while there is one, nothing is touched, but
        // after it. And what came to be needed while the one before was being removed stays.
        if (!dry_run && app.active) {
            app.prune_due = true;
            break;
        }
        if (needed_releases(app).contains(unneeded.release)) continue;
        Removal removal{app.name, unneeded.release, unneeded.bytes, unneeded.why, {}};
        if (!dry_run) {
            auto removed = co_await services_.world.releases.remove(app.name, unneeded.release);
            if (removed) {
                co_await note_pruned(*rows, unneeded.release);
            } else {
                removal.error = removed.error().message;
                log::warning("an old release was not removed",
                             {{"app", app.name}, {"error", removal.error}});
            }
        }
        removals.push_back(std::move(removal));
    }
    co_return removals;
}

Task<void> EngineCore::note_pruned(const std::vector<domain::Release>& rows,
                                   ReleaseNumber release) {
    for (auto row : rows) {
        if (row.number != release || row.state == ReleaseState::bad) continue;
        row.state = ReleaseState::pruned;
        std::vector<ports::Write> writes;
        writes.emplace_back(ports::PutRelease{row});
        auto saved = co_await services_.journal.save(std::move(writes), "pruned");
        if (!saved) log::warning("a pruning was not recorded", {{"error", saved.error().message}});
    }
}

Task<Result<std::vector<Removal>>> EngineCore::gc(bool dry_run) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    std::vector<Removal> all;
    for (auto& [name, app] : apps_) {
        auto removals = co_await prune_releases(*app, dry_run);
        if (!removals) co_return removals.error();
        all.insert(all.end(), removals->begin(), removals->end());
    }
    co_return all;
}

}  // namespace belay::engine
