// Coming up: first what serves, from plain files; then the record and the configuration.
#include "bake_monitor.hpp"
#include "engine_core.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

using domain::Deployment;
using domain::Effect;
using domain::EventKind;
using domain::State;

namespace {

// How long the webhook port waits for booted releases to answer: a slow one must not keep pushes
// out for ever.
constexpr Millis kBootPatience{60'000};

domain::Release release_of(const domain::Manifest& manifest, domain::ReleaseState state) {
    domain::Release release;
    release.app = manifest.app;
    release.number = manifest.number;
    release.commit = manifest.commit;
    release.ref = manifest.ref;
    release.deployment = manifest.deployment;
    release.config = manifest.config;
    release.build_key = manifest.build_key;
    release.bytes = manifest.bytes;
    release.state = state;
    release.created_at = manifest.sealed_at;
    return release;
}

}  // namespace

Task<void> EngineCore::boot() {
    auto live = co_await services_.world.releases.read_live();
    if (!live) {
        services_.boot_problem =
            fmt::format("live releases could not be read: {}", live.error().message);
        log::error(services_.boot_problem);
        co_return;
    }
    for (const auto& unreadable : live->second)
        log::error("a live release is left alone", {{"error", unreadable.message}});
    auto hello = co_await services_.world.traffic.hello();
    if (!hello) log::error("the proxy does not answer", {{"error", hello.error().message}});
    async::TaskGroup booting(services_.world.executor);
    for (auto& manifest : live->first)
        booting.spawn("boot " + manifest.app, boot_app(std::move(manifest)));
    co_await booting.join();
}

Task<void> EngineCore::boot_app(domain::LiveManifest manifest) {
    auto& app = add_app(manifest.app);
    app.record.epoch = std::max(app.record.epoch, manifest.epoch);
    app.record.stopped = manifest.stopped;
    app.stable = manifest.stable;
    app.record.stable = manifest.stable ? manifest.stable->number : 0;
    app.record.live = manifest.live ? manifest.live->number : app.record.stable;
    if (manifest.stopped) co_return;
    if (manifest.live) {
        // Beside it the candidate of its own restart may run, which has proven nothing.
        auto set = services_.fleet.adopt(*manifest.live, Age::named);
        bool any = std::any_of(set->members.begin(), set->members.end(),
                               [](const Member& member) { return member.started; });
        // What the machine started is proven, but need not be where users were last sent to.
        if (any && !services_.fleet.booted(*set)) {
            app.live = set;
            co_await revive_live(app);
            co_return;
        }
    }
    // A boot, or all was killed. What was proven healthy comes up, not what was still being
    // watched.
    auto chosen = manifest.stable ? manifest.stable : manifest.live;
    if (!chosen) co_return;
    app.booted = true;
    const auto running = services_.fleet.adopt(*chosen, Age::named);
    const bool runs = std::any_of(running->members.begin(), running->members.end(),
                                  [](const Member& member) { return member.started; });
    Result<void> intact;
    if (!runs)
        intact =
            co_await services_.world.releases.verify(app.name, chosen->number, ports::Check::quick);
    if (!intact) {
        damaged_[app.name] = intact.error().message;
        log::error("the stable release is not started",
                   {{"app", app.name},
                    {"release", fmt::to_string(chosen->number)},
                    {"error", intact.error().message}});
        co_return;
    }
    co_await boot_release(app, std::move(*chosen));
}

// Starts what does not run yet of a proven release, and gives it the traffic.
Task<void> EngineCore::boot_release(AppContext& app, domain::Manifest chosen) {
    const auto number = chosen.number;
    app.record.live = number;
    // The machine may have started it already, of what was live after it nothing.
    app.live = services_.fleet.adopt(chosen, Age::named);
    co_await services_.fleet.forget_dead(app.live);
    auto logs = services_.world.releases.log_directory(app.name, fmt::format("r{}", number));
    if (!logs) log::error("no place for the app's output", {{"error", logs.error().message}});
    auto started = co_await services_.fleet.start(app.live, Which::all, RestartPolicy::always,
                                                  KeepOthers::yes);
    if (!started)
        log::error("the stable release did not start; it is tried again",
                   {{"app", app.name},
                    {"release", fmt::to_string(number)},
                    {"error", started.error().detail}});
    log::info("started the stable release",
              {{"app", app.name}, {"release", fmt::to_string(number)}});
    const bool answers = co_await wait_for_first_pass(services_, app.live, kBootPatience);
    if (!answers) log::warning("the stable release does not answer yet", {{"app", app.name}});
    co_await route_live(app);
    auto written = co_await services_.world.releases.write_live(live_manifest(app));
    if (!written) log::error("live/APP.json was not written", {{"error", written.error().message}});
    auto current = co_await services_.world.releases.set_current(app.name, number);
    if (!current) log::error("`current` was not set", {{"error", current.error().message}});
    co_await settle_boot(services_, app);
}

// The newest one before it that was proven healthy and is what was sealed. Which those are only the
// record knows, so it comes after everything that boots without.
Task<void> EngineCore::boot_older(AppContext& app) {
    auto found = damaged_.find(app.name);
    if (found == damaged_.end() || app.record.stopped) co_return;
    const auto damaged = app.record.stable;
    std::string text = std::exchange(found->second, {});
    damaged_.erase(found);
    auto rows = co_await services_.journal.store()->releases(app.name);
    if (!rows) co_return;
    for (const auto& row : *rows) {
        if (row.number >= damaged || row.healthy_since == TimePoint{} ||
            row.state == domain::ReleaseState::bad || row.state == domain::ReleaseState::pruned)
            continue;
        auto manifest = co_await services_.world.releases.manifest(app.name, row.number);
        if (!manifest || !*manifest || (*manifest)->in_place()) continue;
        auto intact =
            co_await services_.world.releases.verify(app.name, row.number, ports::Check::full);
        if (!intact) {
            text += "; " + intact.error().message;
            continue;
        }
        app.stable = **manifest;
        app.record.stable = row.number;
        auto older = **manifest;
        co_await boot_release(app, std::move(older));
        text = fmt::format("release {}, healthy before, serves: {}", row.number, text);
        break;
    }
    if (!app.live) text = "nothing serves, and no healthy release before it is intact: " + text;
    log::error("the release that should serve is damaged", {{"app", app.name}, {"now", text}});
    co_await save_event(app_event(app.name, services_.now(), "unhealthy", std::move(text)));
}

// The live release's route, at a higher epoch than any before.
Task<void> EngineCore::route_live(AppContext& app) {
    auto upstreams = services_.fleet.upstreams(*app.live);
    if (upstreams.empty()) co_return;
    ++app.record.epoch;
    auto applied = co_await services_.world.traffic.apply(
        route_of(app.live->manifest, std::move(upstreams), app.record.epoch));
    if (!applied)
        log::error("the proxy did not take a live release's route",
                   {{"app", app.name}, {"error", applied.error().message}});
    if (!services_.journal.store()) co_return;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutApp{app.record});
    auto saved = co_await services_.journal.save(std::move(writes), "epoch");
    if (!saved) log::warning("an epoch was not recorded", {{"error", saved.error().message}});
}

void EngineCore::on_proxy_connected(const ports::TrafficHello& hello) {
    if (!hello.warning.empty()) log::warning(hello.warning);
    for (const auto& [name, serving] : hello.apps) {
        auto& known = proxy_epochs_[name];
        known = std::max(known, serving.epoch);
        auto* app = find(name);
        if (!app) continue;
        app->record.epoch = std::max(app->record.epoch, serving.epoch);
        // It was away when that release ended.
        const bool settled = lanes_.contains(name) && !app->active && app->live && !app->fallback;
        if (settled && serving.fallback != 0)
            services_.tasks.spawn("route " + name, route_live(*app));
    }
}

Task<void> EngineCore::load(ports::Store* store, std::string problem) {
    services_.journal.attach(store, problem);
    store_problem_ = std::move(problem);
    std::vector<Deployment> unfinished;
    if (store) {
        auto snapshot = co_await store->snapshot();
        if (!snapshot) {
            store_problem_ = snapshot.error().message;
            services_.journal.attach(nullptr, store_problem_);
        } else {
            last_deployment_ = snapshot->last_deployment;
            last_delivery_ = snapshot->last_delivery;
            for (const auto& identity : snapshot->recent_deliveries)
                seen_.add(identity);
            for (auto& record : snapshot->apps) {
                const bool known = find(record.name) != nullptr;
                auto& app = add_app(record.name);
                auto seen = app.record;
                app.record = std::move(record);
                app.record.epoch = std::max(app.record.epoch, seen.epoch);
                // What boot() found running and named on disk outranks the record, but for a switch
                // that is under way.
                if (known) {
                    app.record.stable = seen.stable;
                    if (app.booted) app.record.live = seen.live;
                }
            }
            unfinished = std::move(snapshot->unfinished);
        }
    }
    auto report = take_config(services_.world.config.load());
    for (const auto& complaint : report.complaints)
        if (!complaint.warning) log::error("configuration", {{"complaint", complaint.to_string()}});
    loaded_ = true;
    for (auto& [name, app] : apps_) {
        std::vector<Deployment> own;
        for (const auto& deployment : unfinished)
            if (deployment.app == name) own.push_back(deployment);
        co_await reconcile(*app, std::move(own));
    }
    co_await open_listeners();
    for (auto& [name, app] : apps_)
        start_tasks(*app);
    services_.tasks.spawn("housekeeping", housekeeping());
    services_.tasks.spawn("disk watch", disk_watch());
}

// With no deployment under way the record is behind where it names another release than the one
// that runs and that live/APP.json names: it came from a backup.
Task<void> EngineCore::trust_the_manifest(AppContext& app) {
    if (!app.live || app.record.live == app.live->release()) co_return;
    auto recorded = co_await services_.world.releases.manifest(app.name, app.record.live);
    if (recorded && *recorded && !app.booted && !(*recorded)->in_place()) {
        auto other = services_.fleet.adopt(**recorded, Age::youngest);
        // The manifest could not be written at the switch, as on a full disk.
        if (services_.fleet.all_running(*other)) co_return;
    }
    log::warning("the record is behind: what runs is taken for live",
                 {{"app", app.name},
                  {"recorded", fmt::to_string(app.record.live)},
                  {"release", fmt::to_string(app.live->release())}});
    app.record.live = app.live->release();
    if (!services_.journal.store()) co_return;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutApp{app.record});
    co_await services_.journal.save_surely(std::move(writes), "rebuilt");
}

// What a backup says of releases may be of before the last switch, or of the bake after it.
Task<void> EngineCore::correct_rows(AppContext& app) {
    if (!app.live) co_return;
    std::vector<ports::Write> writes;
    auto rows = co_await services_.journal.store()->releases(app.name);
    if (!rows) co_return;
    for (auto row : *rows) {
        if (row.number == app.live->release() || row.state != domain::ReleaseState::live) continue;
        row.state = domain::ReleaseState::retired;
        writes.emplace_back(ports::PutRelease{row});
    }
    auto& live = app.live_release;
    const bool proven = app.stable && app.stable->number == app.live->release();
    if (proven && live.number == app.live->release() && live.healthy_since == TimePoint{}) {
        live.healthy_since = services_.now();
        if (live.live_since == TimePoint{}) live.live_since = live.healthy_since;
        writes.emplace_back(ports::PutRelease{live});
    }
    if (!writes.empty()) co_await services_.journal.save_surely(std::move(writes), "rebuilt");
}

// Sealed releases that the record knows nothing of were made after the backup that it came from.
// One that is newer than live was rolled back, or failed: whether by hand is not known any more, so
// nothing is deployed over it until somebody says so.
Task<void> EngineCore::take_in_lost_releases(AppContext& app, std::vector<ReleaseNumber> on_disk) {
    auto rows = co_await services_.journal.store()->releases(app.name);
    if (!rows || !app.live) co_return;
    std::vector<ports::Write> writes;
    ReleaseNumber newest = 0;
    for (auto number : on_disk) {
        if (std::any_of(rows->begin(), rows->end(),
                        [&](const domain::Release& row) { return row.number == number; }))
            continue;
        auto manifest = co_await services_.world.releases.manifest(app.name, number);
        if (!manifest || !*manifest) continue;
        newest = number;
        writes.emplace_back(
            ports::PutRelease{release_of(**manifest, domain::ReleaseState::retired)});
    }
    if (writes.empty()) co_return;
    if (newest > app.live->release() && !app.record.hold) {
        app.record.hold = domain::Hold{
            "belay",
            fmt::format("the record was lost and came back from a backup: release {} was made "
                        "after the live one, and why it is not live is not known",
                        newest),
            services_.now()};
        log::warning("automatic deployments wait: `belay resume` lets them go on",
                     {{"app", app.name}, {"why", app.record.hold->why}});
        writes.emplace_back(ports::PutApp{app.record});
    }
    co_await services_.journal.save_surely(std::move(writes), "rebuilt");
}

// Makes memory, record and processes agree for one app.
Task<void> EngineCore::reconcile(AppContext& app, std::vector<Deployment> unfinished) {
    if (app.record.removed) co_return;
    auto numbers = co_await services_.world.releases.list(app.name);
    if (numbers && !numbers->empty())
        app.record.last_release = std::max(app.record.last_release, numbers->back());
    if (app.live) app.record.last_release = std::max(app.record.last_release, app.live->release());
    std::optional<Deployment> at_work;
    for (auto& deployment : unfinished) {
        if (deployment.state == State::queued)
            app.queue.push_back(deployment);
        else
            at_work = deployment;
    }
    auto* store = services_.journal.store();
    if (store) co_await boot_older(app);
    if (!at_work) co_await trust_the_manifest(app);
    if (store && app.record.live != 0) {
        auto row = co_await store->release(app.name, app.record.live);
        if (row && *row) app.live_release = **row;
        app.live_release.state = domain::ReleaseState::live;
        if (!at_work) co_await correct_rows(app);
    }
    if (app.live && app.live_release.number == 0) {  // the record lost it; the manifest has it
        app.live_release = release_of(app.live->manifest, domain::ReleaseState::live);
        app.live_release.live_since = services_.now();
        if (app.stable && app.stable->number == app.live->release())
            app.live_release.healthy_since = services_.now();
        if (store) {
            std::vector<ports::Write> writes;
            writes.emplace_back(ports::PutApp{app.record});
            writes.emplace_back(ports::PutRelease{app.live_release});
            co_await services_.journal.save_surely(std::move(writes), "rebuilt");
        }
    }
    if (store && !at_work && numbers) co_await take_in_lost_releases(app, std::move(*numbers));
    if (at_work && store) {
        co_await resume_active(app, *at_work);
        co_return;
    }
    if (app.live) {
        // A daemon may have died between the one and the other.
        co_await settle_boot(services_, app);
        auto serving = co_await services_.world.traffic.serving(app.name);
        const bool routed = serving && serving->release == app.live->release() &&
                            serving->fallback == 0;  // which is about to stop
        if (!routed) co_await route_live(app);
    }
    std::vector<RunSetPtr> kept{app.live};
    co_await services_.fleet.stop_strays(app.name, std::move(kept));
}

Task<void> EngineCore::resume_active(AppContext& app, Deployment deployment) {
    // Rows of steps that nobody will end any more.
    auto stages = co_await services_.journal.store()->stages(deployment.id);
    std::vector<ports::Write> writes;
    if (stages)
        for (auto& stage : *stages)
            if (stage.state == domain::StageState::running) {
                stage.state = domain::StageState::canceled;
                stage.finished_at = services_.now();
                writes.emplace_back(ports::PutStage{stage});
            }
    if (!writes.empty()) co_await services_.journal.save_surely(std::move(writes), "stages_closed");

    const auto state = deployment.state;
    auto manifest = co_await services_.world.releases.manifest(app.name, deployment.release);
    // live/APP.json holds that of what is live, too.
    if ((!manifest || !*manifest) && app.live && app.live->release() == deployment.release)
        manifest = app.live->manifest;
    const bool sealed = manifest && *manifest;
    const bool in_place = sealed && (*manifest)->in_place();
    const bool switched = state == State::draining || state == State::baking ||
                          state == State::rolling_back || (in_place && state == State::verifying);
    const bool same_release = deployment.previous == deployment.release;
    domain::Event event;
    event.kind = EventKind::interrupted;
    event.rebooted = app.booted;
    event.sealed = sealed;
    RunSetPtr own;
    if (event.sealed && !app.booted) {
        own = services_.fleet.adopt(**manifest, Age::youngest);
        if (!services_.fleet.all_running(*own) && !switched) own = nullptr;
    }
    RunSetPtr other;
    if (!app.booted && deployment.previous != 0 && (switched || state == State::switching)) {
        auto before = co_await services_.world.releases.manifest(app.name, deployment.previous);
        if (before && *before) other = services_.fleet.adopt(**before, Age::oldest);
        // Of a restart only one generation is left: it can't be its own way back.
        if (switched && same_release && other && own && other->generation == own->generation)
            other = services_.fleet.make(**before);
    }
    if (switched && !app.booted) {
        app.live = own;
        app.fallback = other;
        app.record.live = deployment.release;
        auto row = co_await services_.journal.store()->release(app.name, deployment.previous);
        if (row && *row) app.fallback_release = **row;
        auto serving = co_await services_.world.traffic.serving(app.name);
        // A proxy that can't be asked is no sign that anything is wrong.
        event.serving = !serving || (serving->epoch == deployment.epoch &&
                                     serving->release == deployment.release);
    } else {
        if (state == State::switching && (other || in_place)) app.live = other;
        // It takes its place again, whether or not it had it.
        if (in_place) own = nullptr;
        if (in_place && state == State::switching) {
            auto row = co_await services_.journal.store()->release(app.name, deployment.previous);
            if (row && *row) app.fallback_release = **row;
        }
        if (same_release && app.live && own && app.live->generation == own->generation)
            own = nullptr;
        app.candidate = own;
        // It ended with the daemon, which may have been about to say why: it is started anew.
        if (state == State::verifying && !own && !in_place) event.rebooted = true;
        auto serving = co_await services_.world.traffic.serving(app.name);
        event.serving = own && serving && serving->epoch == deployment.epoch &&
                        serving->release == deployment.release;
    }
    std::vector<RunSetPtr> kept{app.live, app.fallback, app.candidate};
    co_await services_.fleet.stop_strays(app.name, std::move(kept));
    auto prepared = co_await prepare_active(app, deployment);
    if (!prepared) {
        Deployer deployer(services_, app);
        co_await deployer.give_up(domain::Reason::internal, prepared.error().message);
        app.active.reset();
        co_return;
    }
    log::info("taking up an interrupted deployment", {{"deployment", to_string(deployment.id)},
                                                      {"state", std::string(to_string(state))},
                                                      {"rebooted", app.booted ? "yes" : "no"}});
    app.active->asked = std::move(event);
    services_.tasks.spawn("resume " + app.name, resume(app));
}

Task<void> EngineCore::resume(AppContext& app) {
    Deployer deployer(services_, app);
    co_await deployer.run(Effect::none);
    app.active.reset();
    app.watch_wake.set();
    app.lane_wake.set();
}

void EngineCore::start_tasks(AppContext& app) {
    if (app.record.removed || !lanes_.insert(app.name).second) return;
    services_.tasks.spawn("lane " + app.name, lane(app));
    services_.tasks.spawn("watch " + app.name, live_watch(app));
    services_.tasks.spawn("poll " + app.name, poller(app));
}

// Nothing is wound down: what is under way is taken up by the next start exactly as after a crash,
// which is the one way that is tested at every step. Stages end with their shims.
Task<void> EngineCore::close() {
    services_.closing.request();
    auto* store = services_.journal.store();
    if (store) co_await store->close();
    services_.journal.attach(nullptr, "belay is shutting down");
}

}  // namespace belay::engine
