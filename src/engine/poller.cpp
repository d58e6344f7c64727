// The safety net for lost webhooks, and the clean-up of what nobody needs any more.
#include "engine_core.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace belay::engine {

using domain::ReleaseState;
using domain::Trigger;

namespace {

// Spreads the apps' polls, the same for an app each time.
Millis jitter_of(const std::string& name, Millis span) {
    if (span.count() <= 0) return Millis{0};
    return Millis{static_cast<std::int64_t>(std::hash<std::string>{}(name) %
                                            static_cast<std::size_t>(span.count()))};
}

// The first catch-up waits for the boot's own work.
constexpr Millis kCatchUpSpread{2'000};
constexpr Millis kHousekeeping{600'000};

}  // namespace

Task<void> EngineCore::poller(AppContext& app) {
    auto& timers = services_.world.timers;
    Millis pause = jitter_of(app.name, kCatchUpSpread);
    while (true) {
        const bool slept = co_await timers.sleep(pause, services_.closing);
        if (!slept) co_return;
        pause = Millis{60'000};
        if (app.record.removed) co_return;
        if (!app.config || app.orphaned || !app.config->poll) continue;
        co_await poll_once(app);
        auto every = *app.config->poll;
        pause = every + jitter_of(app.name, every / 10);
    }
}

// Fires when the tip differs from the one last seen, never by comparing with what is live
// (spec/decisions.md 7).
Task<void> EngineCore::poll_once(AppContext& app) {
    auto* store = services_.journal.store();
    const auto config = *app.config;
    if (!store || config.branch.empty() || config.target != domain::Target::service) co_return;
    auto access = source_access(services_, config);
    if (!access) {
        log::warning("polling needs a secret",
                     {{"app", app.name}, {"error", access.error().message}});
        co_return;
    }
    ports::TipsJob job;
    job.child.app = app.name;
    job.child.timeout = std::min(services_.server.git_timeout, Millis{60'000});
    auto users = users_of(app, services_.options.separate_users);
    if (users.separate())
        job.child.user =
            ports::SourceUser{static_cast<uid_t>(users.fetch), static_cast<gid_t>(users.build), {}};
    job.access = std::move(*access);
    job.branch = config.branch;
    auto tips = co_await services_.world.source.tips(std::move(job), services_.closing);
    if (services_.closing.requested()) co_return;
    if (!tips) {
        log::warning("polling failed", {{"app", app.name}, {"error", tips.error().message}});
        co_return;
    }
    const auto ref = "refs/heads/" + config.branch;
    auto tip = std::find_if(tips->begin(), tips->end(),
                            [&](const ports::Tip& one) { return one.ref == ref; });
    if (tip == tips->end()) co_return;
    auto seen = co_await store->ref_seen(app.name, ref);
    if (!seen || (*seen && (*seen)->commit == tip->commit)) co_return;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutRefSeen{app.name, ref, tip->commit, services_.now()});
    const bool under_way =
        (app.live && app.live->manifest.commit == tip->commit) ||
        (app.active && app.active->deployment.commit == tip->commit) ||
        std::any_of(app.queue.begin(), app.queue.end(),
                    [&](const domain::Deployment& queued) { return queued.commit == tip->commit; });
    if (under_way) {
        auto saved = co_await services_.journal.save(std::move(writes), "ref_seen");
        if (!saved)
            log::warning("a branch's tip was not recorded", {{"error", saved.error().message}});
        co_return;
    }
    domain::Deployment deployment;
    deployment.trigger = Trigger::poll;
    deployment.commit = tip->commit;
    deployment.ref = ref;
    auto queued = co_await enqueue(app, std::move(deployment), std::move(writes));
    if (!queued)
        log::error("what polling found could not be queued",
                   {{"app", app.name}, {"error", queued.error().message}});
    else
        log::info("polling found a push that no delivery told of",
                  {{"app", app.name}, {"deployment", to_string(*queued)}});
}

Task<void> EngineCore::housekeeping() {
    while (true) {
        const bool slept = co_await services_.world.timers.sleep(kHousekeeping, services_.closing);
        if (!slept) co_return;
        auto* store = services_.journal.store();
        if (!store) continue;
        for (auto& [name, app] : apps_)
            if (!app->active && !app->record.removed) co_await prune_releases(*app);
        for (const auto& [name, app] : apps_)
            if (services_.hooks.prune_logs)
                services_.hooks.prune_logs(
                    name, app->config ? app->config->keep.logs : domain::Keep{}.logs);
        Millis keep = domain::Keep{}.logs;
        for (const auto& [name, app] : apps_)
            if (app->config) keep = std::max(keep, app->config->keep.logs);
        auto pruned = co_await store->prune(services_.now() - keep, 100);
        if (!pruned)
            log::warning("old history was not removed", {{"error", pruned.error().message}});
    }
}

// Never what is live, stable, a fallback, or the last healthy one before live.
Task<void> EngineCore::prune_releases(AppContext& app) {
    auto* store = services_.journal.store();
    auto rows = co_await store->releases(app.name);
    if (!rows) co_return;
    const int keep = app.config ? app.config->keep.releases : domain::Keep{}.releases;
    std::set<ReleaseNumber> pinned{app.record.live, app.record.stable, app.fallback_release.number};
    int healthy = 0;
    bool before_live = false;
    for (const auto& row : *rows) {  // newest first
        if (row.healthy_since == TimePoint{} || row.state == ReleaseState::pruned) continue;
        const bool last_before = !before_live && row.number < app.record.live;
        before_live = before_live || last_before;
        if (++healthy <= keep || last_before) pinned.insert(row.number);
    }
    // Failed ones stay a while for whoever looks into them, and never push out healthy ones.
    int failed = 0;
    for (const auto& row : *rows)
        if (row.healthy_since == TimePoint{} && row.state != ReleaseState::pruned && failed++ < 2)
            pinned.insert(row.number);
    std::set<ReleaseNumber> busy;
    if (app.active) busy.insert(app.active->deployment.release);
    for (const auto& queued : app.queue)
        busy.insert(queued.release);
    auto on_disk = co_await services_.world.releases.list(app.name);
    if (!on_disk) co_return;
    for (auto number : *on_disk) {
        if (pinned.contains(number) || busy.contains(number) || app.active) continue;
        auto removed = co_await services_.world.releases.remove(app.name, number);
        if (!removed) {
            log::warning("an old release was not removed",
                         {{"app", app.name}, {"error", removed.error().message}});
            continue;
        }
        for (auto row : *rows)
            if (row.number == number && row.state != ReleaseState::bad) {
                row.state = ReleaseState::pruned;
                std::vector<ports::Write> writes;
                writes.emplace_back(ports::PutRelease{row});
                auto saved = co_await services_.journal.save(std::move(writes), "pruned");
                if (!saved)
                    log::warning("a pruning was not recorded", {{"error", saved.error().message}});
            }
    }
}

}  // namespace belay::engine
