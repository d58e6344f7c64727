// The safety net for lost webhooks.
#include "engine_core.hpp"
#include "repository.hpp"
#include "rules.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unistd.h>

namespace belay::engine {

using domain::Trigger;

namespace {

// Somewhere in the span, at random by app and time, so that neither the apps of a machine nor
// machines that were started together ask a server at once.
Millis somewhere_in(Millis span, const std::string& name, TimePoint now) {
    if (span.count() <= 0) return Millis{0};
    const auto mixed = std::hash<std::string>{}(
        fmt::format("{} {} {}", name, now.time_since_epoch().count(), ::getpid()));
    return Millis{static_cast<std::int64_t>(mixed % static_cast<std::size_t>(span.count()))};
}

// The first catch-up waits for the boot's own work, and the more apps the longer it may take.
constexpr Millis kCatchUpLeast{2'000};
constexpr Millis kCatchUpPerApp{250};
// A server that fails is asked ever less often, up to this (or `poll`, if that is longer).
constexpr Millis kBackoffMost{3'600'000};
// How many servers are asked at the same time.
constexpr int kPollsAtOnce = 4;

Millis backed_off(Millis every, int failures) {
    auto pause = every;
    for (int i = 0; i < failures && pause < kBackoffMost; ++i)
        pause *= 2;
    return std::max(every, std::min(pause, kBackoffMost));
}

}  // namespace

Task<void> EngineCore::poller(AppContext& app) {
    auto& timers = services_.world.timers;
    Millis spread = std::max(kCatchUpLeast, kCatchUpPerApp * static_cast<int>(apps_.size()));
    if (app.config && app.config->poll) spread = std::min(spread, *app.config->poll);
    Millis pause = somewhere_in(spread, app.name, services_.now());
    while (true) {
        app.poll.next_at = services_.now() + pause;
        const bool slept = co_await timers.sleep(pause, services_.closing);
        if (!slept || app.record.removed) co_return;
        pause = Millis{60'000};
        if (!app.config || app.orphaned || !app.config->poll) continue;
        polls_.set_count(kPollsAtOnce);
        while (true) {
            app.poll_wake.reset();
            if (polls_.take(app.poll_wake)) break;
            co_await timers.wait(app.poll_wake, kBackoffMost, services_.closing);
            if (services_.closing.requested()) co_return;
        }
        const auto every = *app.config->poll;
        co_await poll_once(app);
        polls_.release();
        pause = backed_off(every, app.poll.failures);
        pause += somewhere_in(pause / 5, app.name, services_.now()) - pause / 10;
    }
}

// Fires when the tip differs from the one last seen, never by comparing with what is live
// (spec/decisions.md 7).
Task<void> EngineCore::poll_once(AppContext& app) {
    auto* store = services_.journal.store();
    const auto config = *app.config;
    if (!store || !undeployable(app).empty()) co_return;
    auto access = source_access(services_, config);
    if (!access) {
        note_poll_failure(app, access.error().message);
        co_return;
    }
    ports::TipsJob job;
    job.child.app = app.name;
    job.child.timeout = std::min(services_.server.git_timeout, Millis{60'000});
    job.child.user = fetch_user(users_of(app, services_.options.separate_users));
    job.access = std::move(*access);
    job.branch = config.branch;
    job.tag_pattern = config.tags;
    // A delivery that comes meanwhile knows better.
    const auto queued_before = app.record.last_release;
    auto tips = co_await services_.world.source.tips(std::move(job), services_.closing);
    if (services_.closing.requested()) co_return;
    if (!tips) {
        note_poll_failure(app, tips.error().message);
        co_return;
    }
    app.poll.last_at = services_.now();
    app.poll.failures = 0;
    app.poll.error.clear();
    const auto branch = "refs/heads/" + config.branch;
    const ports::Tip* followed = nullptr;
    const ports::Tip* newest = nullptr;
    for (const auto& tip : *tips) {
        if (tip.ref == branch) followed = &tip;
        auto tag = tag_of(tip.ref);
        if (!tag.empty() && (!newest || is_older_tag(tag_of(newest->ref), tag))) newest = &tip;
    }
    app.poll.tip = followed ? followed->commit : newest ? newest->commit : "";
    if (!config.branch.empty() && !followed)
        app.poll.error = fmt::format("there is no branch {}", config.branch);
    if (app.record.last_release != queued_before) co_return;
    // The branch last, as what is queued last goes live: its tip has the tag's commit, more often
    // than not.
    const auto tag = newest ? *newest : ports::Tip{};
    if (!config.tags.empty()) co_await take_polled_tag(app, tag);
    if (followed) co_await take_polled(app, *followed);
}

void EngineCore::note_poll_failure(AppContext& app, std::string error) {
    app.poll.last_at = services_.now();
    ++app.poll.failures;
    app.poll.error = std::move(error);
    log::warning("polling failed", {{"app", app.name},
                                    {"failures", fmt::to_string(app.poll.failures)},
                                    {"error", app.poll.error}});
}

// Beside a branch only tags that come later count: those that are there already belong to its
// history.
Task<void> EngineCore::take_polled_tag(AppContext& app, ports::Tip tip) {
    static const std::string kKnown = "refs/tags/";
    bool begun = !app.config || app.config->branch.empty();
    if (!begun) {
        auto known = co_await services_.journal.store()->ref_seen(app.name, kKnown);
        if (!known) co_return;
        begun = known->has_value();
    }
    if (begun) {
        if (!tip.ref.empty()) co_await take_polled(app, std::move(tip));
        co_return;
    }
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutRefSeen{app.name, kKnown, tip.commit, services_.now()});
    if (!tip.ref.empty())
        writes.emplace_back(ports::PutRefSeen{app.name, tip.ref, tip.commit, services_.now()});
    auto saved = co_await services_.journal.save(std::move(writes), "ref_seen");
    if (!saved) log::warning("a tip was not recorded", {{"error", saved.error().message}});
}

Task<void> EngineCore::take_polled(AppContext& app, ports::Tip tip) {
    auto seen = co_await services_.journal.store()->ref_seen(app.name, tip.ref);
    if (!seen || (*seen && (*seen)->commit == tip.commit)) co_return;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutRefSeen{app.name, tip.ref, tip.commit, services_.now()});
    const bool under_way =
        (app.live && app.live->manifest.commit == tip.commit) ||
        (app.active && app.active->deployment.commit == tip.commit) ||
        std::any_of(app.queue.begin(), app.queue.end(),
                    [&](const domain::Deployment& queued) { return queued.commit == tip.commit; });
    auto tag = tag_of(tip.ref);
    if (under_way || (!tag.empty() && !newer_tag_than(app, tag).empty())) {
        auto saved = co_await services_.journal.save(std::move(writes), "ref_seen");
        if (!saved) log::warning("a tip was not recorded", {{"error", saved.error().message}});
        co_return;
    }
    domain::Deployment deployment;
    deployment.trigger = Trigger::poll;
    deployment.commit = tip.commit;
    deployment.ref = tip.ref;
    auto queued = co_await enqueue(app, std::move(deployment), std::move(writes));
    if (!queued)
        log::error("what polling found could not be queued",
                   {{"app", app.name}, {"error", queued.error().message}});
    else
        log::info("polling found a push that no delivery told of",
                  {{"app", app.name}, {"deployment", to_string(*queued)}});
}

}  // namespace belay::engine
