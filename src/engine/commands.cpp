// What people ask for.
#include "engine_core.hpp"

#include <belay/base/log.hpp>
#include <belay/domain/target.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

using domain::Deployment;
using domain::EventKind;
using domain::Plan;
using domain::ReleaseState;
using domain::State;
using domain::Trigger;

Task<Result<Accepted>> EngineCore::deploy(std::string name, DeployRequest request) {
    auto app = known(name);
    if (!app) co_return app.error();
    if ((*app)->orphaned)
        co_return Error{Errc::conflict, fmt::format("{} is gone: put it back to deploy {} again",
                                                    (*app)->file, name)};
    Deployment deployment;
    deployment.trigger = Trigger::manual;
    deployment.force = request.force;
    deployment.note = "by " + request.by;
    if (!request.commit.empty()) {
        if (!is_commit_id(request.commit))
            co_return Error{
                Errc::invalid,
                fmt::format("\"{}\" is no full commit id (40 hex digits)", request.commit)};
        deployment.commit = request.commit;
        deployment.pinned = true;
    }
    if (!request.ref.empty()) {
        auto full = request.ref.starts_with("refs/") ? request.ref : "refs/heads/" + request.ref;
        if ((*app)->config && !(*app)->config->tags.empty() && !request.ref.starts_with("refs/") &&
            fits_pattern((*app)->config->tags, request.ref))
            full = "refs/tags/" + request.ref;
        if (!domain::parse_ref(full))
            co_return Error{Errc::invalid, fmt::format("\"{}\" is no branch or tag", request.ref)};
        deployment.ref = full;
    }
    auto queued = co_await enqueue(**app, std::move(deployment));
    if (!queued) co_return queued.error();
    Accepted accepted{*queued, {}};
    if ((*app)->record.hold && !request.force)
        accepted.note =
            fmt::format("waits: {} is on hold ({}); `belay resume {}`, or deploy with --force",
                        name, (*app)->record.hold->why, name);
    co_return accepted;
}

Task<Result<Accepted>> EngineCore::restart_release(AppContext& app, ReleaseNumber release,
                                                   Trigger trigger, std::string by, bool hold) {
    std::vector<ports::Write> more;
    if (hold) {
        app.record.hold = domain::Hold{
            by, fmt::format("rolled back to release {} by hand", release), services_.now()};
        more.emplace_back(app_event(app.name, services_.now(), "held",
                                    fmt::format("{} on hold: {}", app.name, app.record.hold->why)));
    }
    Deployment deployment;
    deployment.trigger = trigger;
    deployment.plan = Plan::restart;
    deployment.release = release;
    deployment.note = "by " + by;
    auto manifest = co_await services_.world.releases.manifest(app.name, release);
    if (manifest && *manifest) {
        deployment.commit = (*manifest)->commit;
        deployment.ref = (*manifest)->ref;
        deployment.config = (*manifest)->config;
    }
    if (manifest && *manifest && app.live &&
        (*manifest)->in_place() != app.live->manifest.in_place())
        co_return Error{Errc::conflict,
                        fmt::format("release {} is of the time when {} was {}: it can't take over "
                                    "from what is live",
                                    release, app.name,
                                    fmt::format("a [{}]", to_string((*manifest)->target())))};
    if (manifest && *manifest && (*manifest)->unit) {
        auto usable = co_await check_unit(services_, *(*manifest)->unit, Ask::usable_by_us);
        if (!usable) co_return usable.error();
    }
    auto queued = co_await enqueue(app, std::move(deployment), std::move(more));
    if (!queued) co_return queued.error();
    co_return Accepted{*queued, {}};
}

Task<Result<Accepted>> EngineCore::rollback(std::string name, RollbackRequest request) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    auto found = known(name);
    if (!found) co_return found.error();
    auto& app = **found;
    const bool in_act = app.active && (app.active->state() == State::switching ||
                                       app.active->state() == State::rolling_back);
    const bool watched = app.active && app.active->switched() && !in_act;
    if (in_act)
        co_return Error{Errc::conflict, fmt::format("{} is {}: try again in a moment",
                                                    to_string(app.active->deployment.id),
                                                    to_string(app.active->state()))};
    auto target = request.to;
    if (target == 0 && watched && app.active->deployment.previous != 0 &&
        app.active->deployment.previous != app.active->deployment.release)
        target = app.active->deployment.previous;
    auto rows = co_await services_.journal.store()->releases(name);
    if (!rows) co_return rows.error();
    const domain::Release* chosen = nullptr;
    for (const auto& row : *rows) {
        if (target != 0 ? row.number == target
                        : row.number < app.record.live && row.healthy_since != TimePoint{} &&
                              row.state != ReleaseState::bad && row.state != ReleaseState::pruned) {
            chosen = &row;
            break;
        }
    }
    if (!chosen && target != 0)
        co_return Error{Errc::not_found, fmt::format("{} has no release {}", name, target)};
    if (!chosen)
        co_return Error{
            Errc::not_found,
            fmt::format("{} has no healthy release before the live one to go back to", name)};
    if (chosen->healthy_since == TimePoint{})
        co_return Error{Errc::conflict,
                        fmt::format("release {} never was healthy: a rollback goes to one that was",
                                    chosen->number)};
    if (chosen->state == ReleaseState::pruned)
        co_return Error{
            Errc::conflict,
            fmt::format("release {} was removed by [keep] releases: deploy its commit {}",
                        chosen->number, chosen->commit)};
    if (chosen->number == app.record.live && !watched)
        co_return Error{Errc::conflict, fmt::format("release {} is live", chosen->number)};
    auto queued =
        co_await restart_release(app, chosen->number, Trigger::rollback, request.by, request.hold);
    if (!queued) co_return queued.error();
    // Whatever is under way ends: in a bake that moves the traffic back at once.
    if (app.active && app.active->deployment.id != queued->deployment) {
        domain::Event cancel;
        cancel.kind = EventKind::cancel;
        if (domain::apply(app.active->deployment, cancel, app.active->course)) {
            queued->note = fmt::format("canceled {}", to_string(app.active->deployment.id));
            ask(app, std::move(cancel));
        }
    }
    co_return *queued;
}

Task<Result<Accepted>> EngineCore::cancel(DeploymentId id, std::string by) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    for (auto& [name, app] : apps_) {
        domain::Event event;
        event.kind = EventKind::cancel;
        if (app->active && app->active->deployment.id == id) {
            auto fits = domain::apply(app->active->deployment, event, app->active->course);
            if (!fits) co_return fits.error();
            event.failure.detail = "canceled by " + by;
            ask(*app, std::move(event));
            co_return Accepted{id, {}};
        }
        auto queued = std::find_if(app->queue.begin(), app->queue.end(),
                                   [&](const Deployment& one) { return one.id == id; });
        if (queued == app->queue.end()) continue;
        const auto before = *queued;
        auto ended = domain::apply(before, event, {});
        if (!ended) co_return ended.error();
        app->queue.erase(queued);  // nobody is to begin with it while its end is stored
        ended->next.finished_at = services_.now();
        ended->next.failure.detail = "canceled by " + by;
        std::vector<ports::Write> writes;
        writes.emplace_back(ports::PutDeployment{ended->next});
        writes.emplace_back(
            event_of(ended->next, services_.now(), fmt::format("{} canceled", to_string(id))));
        auto saved = co_await services_.journal.save(std::move(writes), "canceled");
        if (saved) co_return Accepted{id, {}};
        put_back(*app, before);
        co_return saved.error();
    }
    auto ended = co_await services_.journal.store()->deployment(id);
    if (!ended) co_return ended.error();
    if (!*ended) co_return Error{Errc::not_found, fmt::format("no deployment {}", to_string(id))};
    const auto state = (*ended)->state;
    // It is in nobody's hands while its end is being stored.
    if (!domain::is_end(state))
        co_return Error{Errc::conflict, fmt::format("{} is ending already", to_string(id))};
    co_return Error{Errc::conflict,
                    fmt::format("{} has ended: {}", to_string(id), to_string(state))};
}

Task<Result<Accepted>> EngineCore::approve(DeploymentId id, std::string by) {
    return answer_gate(id, EventKind::approved, "approved by " + by);
}

Task<Result<Accepted>> EngineCore::reject(DeploymentId id, std::string why, std::string by) {
    auto note = fmt::format("rejected by {}{}", by, why.empty() ? "" : ": " + why);
    return answer_gate(id, EventKind::reject, std::move(note));
}

Task<Result<Accepted>> EngineCore::answer_gate(DeploymentId id, EventKind kind, std::string note) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    for (auto& [name, app] : apps_) {
        if (!app->active || app->active->deployment.id != id) continue;
        domain::Event event;
        event.kind = kind;
        auto fits = domain::apply(app->active->deployment, event, app->active->course);
        if (!fits) co_return fits.error();
        if (kind == EventKind::reject)
            event.failure.detail = std::move(note);
        else
            app->active->deployment.note = std::move(note);
        ask(*app, std::move(event));
        co_return Accepted{id, {}};
    }
    co_return Error{Errc::not_found, fmt::format("{} does not wait for approval", to_string(id))};
}

Task<Result<void>> EngineCore::hold(std::string name, std::string why, std::string by) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    auto app = known(name);
    if (!app) co_return app.error();
    auto before = std::exchange((*app)->record.hold, domain::Hold{by, why, services_.now()});
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutApp{(*app)->record});
    writes.emplace_back(app_event(name, services_.now(), "held",
                                  fmt::format("{} on hold by {}: {}", name, by, why)));
    auto saved = co_await services_.journal.save(std::move(writes), "hold");
    if (!saved) (*app)->record.hold = before;
    co_return saved;
}

Task<Result<void>> EngineCore::resume(std::string name, std::string by) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    auto app = known(name);
    if (!app) co_return app.error();
    auto before = (*app)->record;
    (*app)->record.hold.reset();
    (*app)->record.degraded = false;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutApp{(*app)->record});
    writes.emplace_back(
        app_event(name, services_.now(), "resumed", fmt::format("{} resumed by {}", name, by)));
    auto saved = co_await services_.journal.save(std::move(writes), "resume");
    if (!saved)
        (*app)->record = before;
    else
        (*app)->lane_wake.set();
    co_return saved;
}

Task<Result<Accepted>> EngineCore::restart(std::string name, std::string by) {
    auto app = known(name);
    if (!app) co_return app.error();
    if ((*app)->record.live == 0)
        co_return Error{Errc::conflict, fmt::format("{} has no live release", name)};
    if ((*app)->record.stopped)
        co_return Error{Errc::conflict, fmt::format("{} is stopped: `belay start {}`", name, name)};
    co_return co_await restart_release(**app, (*app)->record.live, Trigger::manual, by, false);
}

// The app, when no deployment is at work on it.
Result<AppContext*> EngineCore::idle_app(const std::string& name) {
    if (auto ready = ready_for_work(); !ready) return ready.error();
    auto app = known(name);
    if (!app || !(*app)->active) return app;
    const auto id = to_string((*app)->active->deployment.id);
    const auto state = (*app)->active->state();
    return Error{
        Errc::conflict,
        domain::is_end(state)
            ? fmt::format("{} is {}, and the release that it replaced is still ending: try "
                          "again in a moment",
                          id, to_string(state))
            : fmt::format("{} is {}: `belay cancel {}` first", id, to_string(state), id)};
}

Task<Result<void>> EngineCore::stop(std::string name, std::string by) {
    auto found = idle_app(name);
    if (!found) co_return found.error();
    auto& app = **found;
    if (!app.live) co_return Error{Errc::conflict, fmt::format("{} has nothing running", name)};
    const auto& manifest = app.live->manifest;
    if (manifest.in_place())
        co_return Error{
            Errc::conflict,
            fmt::format("{} is a [{}]: what runs of it was started elsewhere and is stopped "
                        "there{}; `belay hold {}` keeps pushes from being deployed",
                        name, to_string(manifest.target()),
                        manifest.unit ? ": systemctl stop " + manifest.unit->name : "", name)};
    app.record.stopped = true;
    ++app.record.epoch;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutApp{app.record});
    writes.emplace_back(
        app_event(name, services_.now(), "stopped", fmt::format("{} stopped by {}", name, by)));
    auto saved = co_await services_.journal.save(std::move(writes), "stopped");
    if (!saved) {
        app.record.stopped = false;
        co_return saved.error();
    }
    auto written = co_await services_.world.releases.write_live(live_manifest(app));
    if (!written) co_return written.error();
    // Without upstreams the proxy answers 503 and says why.
    auto applied =
        co_await services_.world.traffic.apply(route_of(app.live->manifest, {}, app.record.epoch));
    if (!applied)
        log::warning("the proxy did not take the empty route",
                     {{"error", applied.error().message}});
    auto set = std::exchange(app.live, nullptr);
    co_await services_.fleet.stop(set, Which::all);
    co_return Result<void>{};
}

Task<Result<Accepted>> EngineCore::start(std::string name, std::string by) {
    auto app = known(name);
    if (!app) co_return app.error();
    if (!(*app)->record.stopped || (*app)->record.live == 0)
        co_return Error{Errc::conflict, fmt::format("{} is not stopped", name)};
    co_return co_await restart_release(**app, (*app)->record.live, Trigger::manual, by, false);
}

Task<Result<void>> EngineCore::remove(std::string name, bool purge, std::string by) {
    auto found = idle_app(name);
    if (!found) co_return found.error();
    auto& app = **found;
    app.record.removed = true;  // nothing new begins meanwhile
    ++app.record.epoch;
    auto done = co_await remove_known(app, purge, std::move(by));
    if (!done) {
        // It is still there, with all that waits for it, until removing it again works.
        app.record.removed = false;
        if (app.live) co_await route_live(app);
        app.lane_wake.set();
        app.watch_wake.set();
        co_return done;
    }
    app.queue.clear();
    co_await open_listeners();  // its own go
    co_return done;
}

Task<Result<void>> EngineCore::remove_known(AppContext& app, bool purge, std::string by) {
    auto& releases = services_.world.releases;
    auto removed = co_await services_.world.traffic.remove(app.name, app.record.epoch);
    if (!removed) co_return removed.error();
    auto forgotten = co_await releases.remove_live(app.name);
    if (!forgotten) co_return forgotten.error();
    auto set = std::exchange(app.live, nullptr);
    if (set) co_await services_.fleet.stop(set, Which::all);
    if (purge) {
        auto current = co_await releases.set_current(app.name, 0);
        if (!current) co_return current.error();
        auto purged = co_await releases.purge(app.name);
        if (!purged) co_return purged.error();
    }
    const auto now = services_.now();
    auto record = app.record;
    record.live = 0;
    record.stable = 0;
    std::vector<ports::Write> writes;
    for (auto queued : app.queue) {
        queued.state = State::canceled;
        queued.failure = {domain::Reason::canceled,
                          "queued",
                          fmt::format("{} was removed by {}", app.name, by),
                          {},
                          {}};
        queued.finished_at = now;
        writes.emplace_back(ports::PutDeployment{queued});
    }
    writes.emplace_back(ports::PutApp{record});
    writes.emplace_back(
        app_event(app.name, now, "removed", fmt::format("{} removed by {}", app.name, by)));
    if (purge) writes.emplace_back(ports::PurgeApp{app.name});
    auto saved = co_await services_.journal.save(std::move(writes), "removed");
    if (!saved) co_return saved;
    app.record = std::move(record);
    app.stable.reset();
    co_return Result<void>{};
}

Task<Result<void>> EngineCore::backup(std::string file) {
    auto* store = services_.journal.store();
    if (!store) co_return services_.journal.unavailable();
    auto done = co_await store->backup(std::move(file));
    co_return done;
}

// Works without a database too: then it is the way back.
Task<Result<void>> EngineCore::restore(std::string file) {
    if (!services_.hooks.restore)
        co_return Error{Errc::unavailable, "this daemon can't begin again by itself"};
    auto restoring = services_.hooks.restore(std::move(file));
    auto done = co_await std::move(restoring);
    co_return done;
}

Task<Result<void>> EngineCore::shutdown() {
    log::info("shutting down: all live releases, the proxy and the daemon end");
    services_.closing.request();
    services_.tasks.spawn("shutdown", end_all());
    co_return Result<void>{};
}

Task<void> EngineCore::end_all() {
    if (services_.hooks.let_proxy_go) services_.hooks.let_proxy_go();
    auto ended = co_await services_.world.traffic.shutdown(Millis{5'000});
    if (!ended) log::warning("the proxy did not end in order", {{"error", ended.error().message}});
    async::TaskGroup stopping(services_.world.executor);
    auto runs = services_.world.runtime.runs();
    for (const auto& run : runs)
        stopping.spawn("stop " + run.run_id, stop_run(run.run_id));
    co_await stopping.join();
    if (services_.hooks.exit) services_.hooks.exit();
}

Task<void> EngineCore::stop_run(std::string run_id) {
    auto stopped = co_await services_.world.runtime.stop(run_id);
    if (stopped) co_await services_.world.runtime.forget(run_id);
}

}  // namespace belay::engine
