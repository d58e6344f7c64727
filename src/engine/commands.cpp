// What people ask for.
#include "engine_core.hpp"
#include "environment.hpp"
#include "matching.hpp"
#include "users.hpp"

#include <belay/base/log.hpp>
#include <belay/domain/target.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

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

Task<Result<ReloadReport>> EngineCore::reload() {
    auto report = take_config(services_.world.config.load());
    auto unopened = co_await open_listeners();
    for (const auto& problem : unopened)
        report.complaints.push_back({"", 0, 0, problem, true});
    for (auto& [name, app] : apps_)
        start_tasks(*app);
    co_return report;
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

// Puts a checked configuration in force, file by file; one with errors leaves what was in force.
ReloadReport EngineCore::take_config(ports::LoadedConfig loaded) {
    ReloadReport report;
    report.complaints = loaded.complaints;
    server_problem_.clear();
    if (loaded.server) {
        if (services_.server != *loaded.server && loaded_)
            report.changes.emplace_back("belay.toml", "changed");
        services_.server = *loaded.server;
        services_.slots.set_count(services_.server.concurrent_deployments);
    } else {
        report.ok = false;
        for (const auto& complaint : loaded.complaints)
            if (!complaint.warning && server_problem_.empty())
                server_problem_ = complaint.to_string();
        domain::EventRecord event;
        event.at = services_.now();
        event.type = "config";
        event.state = "config_invalid";
        event.text = server_problem_;
        services_.tasks.spawn("config event", save_event(ports::AddEvent{std::move(event)}));
    }
    std::set<std::string> present;
    for (auto& file : loaded.apps) {
        present.insert(file.name);
        report.complaints.insert(report.complaints.end(), file.complaints.begin(),
                                 file.complaints.end());
        const bool is_new = find(file.name) == nullptr || find(file.name)->record.removed;
        if (is_new && !file.config) report.ok = false;
        auto& app = add_app(file.name);
        app.record.removed = false;
        app.file = file.file;
        app.config_error.clear();
        if (std::exchange(app.orphaned, false))
            report.changes.emplace_back(file.name, "its file is back");
        if (!file.config) {
            report.ok = false;
            for (const auto& complaint : file.complaints)
                if (!complaint.warning && app.config_error.empty())
                    app.config_error = complaint.to_string();
            services_.tasks.spawn("config event",
                                  save_event(app_event(app.name, services_.now(), "config_invalid",
                                                       app.config_error)));
            continue;
        }
        auto json = services_.world.config.encode(*file.config);
        auto hash = services_.world.config.hash(json);
        if (!app.config)
            report.changes.emplace_back(file.name, is_new ? "added" : "read");
        else if (hash != app.config_hash)
            report.changes.emplace_back(file.name, "changed: in force with the next deployment");
        app.config = std::move(*file.config);
        app.hook.read.reset();
        app.config_json = std::move(json);
        app.config_hash = std::move(hash);
        if (app.record.last_release == 0 && app.record.live == 0 && services_.journal.store())
            services_.tasks.spawn("first deployment of " + app.name, deploy_first(app));
    }
    for (auto& [name, app] : apps_) {
        if (present.contains(name) || app->record.removed) continue;
        if (!std::exchange(app->orphaned, true) && loaded_)
            report.changes.emplace_back(name,
                                        "its file is gone: it stays live until `belay remove`");
    }
    return report;
}

// A new app is deployed once when its file is first loaded.
Task<void> EngineCore::deploy_first(AppContext& app) {
    while (!loaded_) {
        const bool slept = co_await services_.world.timers.sleep(Millis{10}, services_.closing);
        if (!slept) co_return;
    }
    if (app.record.last_release != 0 || !app.queue.empty() || !app.config ||
        !undeployable(app).empty())
        co_return;
    Deployment deployment;
    deployment.trigger = Trigger::config;
    deployment.note = "its file was loaded for the first time";
    auto queued = co_await enqueue(app, std::move(deployment));
    if (!queued)
        log::error("the first deployment was not queued",
                   {{"app", app.name}, {"error", queued.error().message}});
}

Task<std::vector<std::string>> EngineCore::open_listeners() {
    if (!services_.hooks.open_listeners) co_return std::vector<std::string>{};
    std::vector<std::string> listens;
    for (const auto& [name, app] : apps_) {
        if (app->record.removed) continue;
        if (app->config)
            listens.insert(listens.end(), app->config->traffic.listen.begin(),
                           app->config->traffic.listen.end());
        if (app->live)
            listens.insert(listens.end(), app->live->manifest.route.listen.begin(),
                           app->live->manifest.route.listen.end());
    }
    listener_problems_ =
        co_await services_.hooks.open_listeners(services_.server, std::move(listens));
    for (const auto& problem : listener_problems_)
        log::error(problem);
    co_return listener_problems_;
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

Task<Result<int>> EngineCore::run(OneOff command, std::function<Task<bool>(std::string)> output) {
    auto found = known(command.app);
    if (!found) co_return found.error();
    auto& app = **found;
    if (app.record.live == 0)
        co_return Error{Errc::conflict, fmt::format("{} has no live release", app.name)};
    if (command.argv.empty()) co_return Error{Errc::invalid, "no command was given"};
    auto& releases = services_.world.releases;
    auto environment = co_await releases.environment(app.name, app.record.live, "run");
    if (!environment) co_return environment.error();
    auto logs = releases.log_directory(app.name, "run");
    if (!logs) co_return logs.error();
    auto manifest = co_await releases.manifest(app.name, app.record.live);
    if (!manifest) co_return manifest.error();
    ports::StageJob job;
    job.app = app.name;
    job.name = "run";
    job.run.argv = command.argv;
    job.cwd = releases.directory(app.name, app.record.live);
    job.env = std::move(*environment);
    add_instance(job.env, "run", 1, 0);
    job.mask = mask_of(app);
    if (*manifest)
        if (auto user = user_of(**manifest)) run_as(job, *user);
    job.timeout = Millis{24 * 3'600'000};
    job.silence = job.timeout;
    job.log_path = fmt::format("{}/{}.log", *logs, services_.now().time_since_epoch().count());
    const auto log_path = job.log_path;
    struct Shared {
        std::optional<Result<ports::StageOutcome>> outcome;
        async::Event done;
        async::Cancel cancel;
    };
    auto shared = std::make_shared<Shared>();
    services_.tasks.spawn("run", run_one_off(
                                     std::move(job),
                                     [shared](Result<ports::StageOutcome> outcome) {
                                         shared->outcome = std::move(outcome);
                                         shared->done.set();
                                     },
                                     shared->cancel));
    // The stage writes its masked output to the file; it is handed on as it grows.
    off_t offset = 0;
    bool whole = false;
    while (!whole) {
        whole = co_await services_.world.timers.wait(shared->done, Millis{50});
        while (true) {
            std::string chunk(65'536, '\0');
            int fd = ::open(log_path.c_str(), O_RDONLY | O_CLOEXEC);
            if (fd < 0) break;
            auto got = ::pread(fd, chunk.data(), chunk.size(), offset);
            ::close(fd);
            if (got <= 0) break;
            chunk.resize(static_cast<std::size_t>(got));
            offset += got;
            const bool taken = co_await output(std::move(chunk));
            if (!taken) {
                shared->cancel.request();
                break;
            }
        }
    }
    ::unlink(log_path.c_str());
    auto& outcome = *shared->outcome;
    if (!outcome) co_return outcome.error();
    if (outcome->signal) co_return 128 + *outcome->signal;
    co_return outcome->exit_code.value_or(1);
}

Task<void> EngineCore::run_one_off(ports::StageJob job,
                                   std::function<void(Result<ports::StageOutcome>)> done,
                                   async::Cancel cancel) {
    auto outcome = co_await services_.world.stages.run(std::move(job), cancel);
    done(std::move(outcome));
}

}  // namespace belay::engine
