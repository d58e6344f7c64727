// After the bake: the live release is probed on, and what nobody else restarts is brought back.
#include "engine_core.hpp"
#include "run_end.hpp"
#include "unit_watch.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

namespace {

// A bake or a switch watches for itself.
bool watched_by_deployer(const AppContext& app) {
    return app.active && app.active->switched();
}

constexpr Millis kReviveFirst{1'000};
constexpr Millis kReviveMost{60'000};
// `on_unhealthy = "restart"` must not become a loop.
constexpr Millis kRestartAgain{300'000};

}  // namespace

Task<void> EngineCore::live_watch(AppContext& app) {
    std::map<std::string, domain::Watch> watches;
    RunSetPtr watched;
    async::Subscription exits;
    std::unique_ptr<UnitWatch> unit;
    Millis revive_pause = kReviveFirst;
    while (!services_.closing.requested()) {
        auto set = app.live;
        if (set != watched) {
            watches.clear();
            watched = set;
            exits.end();
            if (set)
                exits = services_.fleet.watch(
                    *set, [this, &app](const Member& member, const ports::RunInfo& info) {
                        note_exit(app, member, info);
                    });
            if (unit) co_await unit->stop();
            unit.reset();
            if (set && set->manifest.unit) {
                unit = std::make_unique<UnitWatch>(
                    services_, set->manifest, set->manifest.health.live_interval,
                    [this, &app](const domain::UnitChange& change) { note_unit(app, change); });
                co_await unit->start();
            }
        }
        Millis pause = set ? set->manifest.health.live_interval : kReviveMost;
        if (set && !watched_by_deployer(app) && !app.record.stopped && !app.record.removed) {
            if (!services_.fleet.all_running(*set)) {
                co_await revive_live(app);
                pause = services_.fleet.all_running(*set) ? pause : revive_pause;
                revive_pause = std::min(revive_pause * 2, kReviveMost);
            } else {
                revive_pause = kReviveFirst;
                co_await probe_live(app, watches);
            }
        }
        app.watch_wake.reset();
        co_await services_.world.timers.wait(app.watch_wake, pause, services_.closing);
    }
    if (unit) co_await unit->stop();
}

void EngineCore::note_exit(AppContext& app, const Member& member, const ports::RunInfo& info) {
    if (info.state == ports::RunState::running) return;
    if (watched_by_deployer(app) || app.record.stopped) return;
    auto how = how_it_ended(info);
    note_end(app, fmt::format("{} of {} {}", member.process, app.name, how));
}

void EngineCore::note_unit(AppContext& app, const domain::UnitChange& change) {
    if (!change.ended() || watched_by_deployer(app)) return;
    note_end(app, change.failure.detail);
}

// Of what is live, by itself.
void EngineCore::note_end(AppContext& app, std::string text) {
    log::warning(text, {{"app", app.name}});
    services_.tasks.spawn("note exit",
                          save_event(app_event(app.name, services_.now(), "exited", text)));
    app.watch_wake.set();
}

Task<void> EngineCore::save_event(ports::AddEvent event) {
    std::vector<ports::Write> writes;
    writes.emplace_back(std::move(event));
    auto saved = co_await services_.journal.save(std::move(writes), "event");
    if (!saved) log::warning("an event was not recorded", {{"error", saved.error().message}});
}

// Its shim is dead too: the daemon is the only one left to start it again.
Task<void> EngineCore::revive_live(AppContext& app) {
    auto set = app.live;
    if (services_.fleet.all_running(*set)) co_return;
    auto before = services_.fleet.upstreams(*set);
    auto revived = co_await services_.fleet.revive(set);
    if (!revived) {
        log::error("the live release could not be started again",
                   {{"app", app.name}, {"error", revived.error().detail}});
        co_return;
    }
    log::info("started again what was gone of the live release", {{"app", app.name}});
    co_await settle_boot(services_, app);
    if (services_.fleet.upstreams(*set) != before) {
        co_await route_live(app);
        auto written = co_await services_.world.releases.write_live(live_manifest(app));
        if (!written)
            log::error("live/APP.json was not written", {{"error", written.error().message}});
    }
}

Task<void> EngineCore::probe_live(AppContext& app, std::map<std::string, domain::Watch>& watches) {
    auto set = app.live;
    std::string health = "healthy";
    std::string detail;
    for (std::size_t i = 0; i < set->members.size(); ++i) {
        const auto& member = set->members[i];
        if (!member.serves) continue;
        auto probe = co_await probe_member(services_, set, i, services_.closing);
        if (services_.closing.requested() || app.live != set) co_return;
        services_.tally.add_probe(app.name, probe);
        auto watch = watches.try_emplace(member.run_id, set->manifest.health).first;
        auto verdict = watch->second.on_probe(probe.passed());
        if (verdict == domain::Verdict::healthy) continue;
        health = to_string(verdict);
        detail = fmt::format("{}: {}", probe.target, probe.error);
    }
    co_await note_health(app, std::move(health), std::move(detail));
}

Task<void> EngineCore::note_health(AppContext& app, std::string health, std::string detail) {
    if (health == app.live_health) co_return;
    const bool first = app.live_health == "unknown";
    app.live_health = health;
    if (first && health == "healthy") co_return;
    const bool recovered = health == "healthy";
    auto text = recovered ? fmt::format("{} has recovered", app.name)
                          : fmt::format("{} is {}: {}", app.name, health, detail);
    log::warning(text, {{"app", app.name}});
    auto event = app_event(app.name, services_.now(), recovered ? "recovered" : "unhealthy", text);
    co_await save_event(std::move(event));
    app.told_unhealthy = !recovered;
    if (recovered || app.live->manifest.health.on_unhealthy != "restart") co_return;
    const auto now = services_.world.timers.steady_now();
    auto& last = restarted_for_health_[app.name];
    if (last != async::SteadyTime{} && now - last < kRestartAgain) co_return;
    last = now;
    auto restarted = co_await restart_release(app, app.live->release(), domain::Trigger::manual,
                                              "health: on_unhealthy = \"restart\"", false);
    if (!restarted)
        log::error("the unhealthy release could not be restarted",
                   {{"app", app.name}, {"error", restarted.error().message}});
}

}  // namespace belay::engine
