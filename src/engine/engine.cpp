// Lanes: one deployment at a time per app, the newest push wins.
#include "bake_monitor.hpp"
#include "engine_core.hpp"

#include <belay/base/log.hpp>
#include <belay/domain/target.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

using domain::Deployment;
using domain::Effect;
using domain::EventKind;
using domain::Plan;
using domain::State;

std::unique_ptr<Engine> make_engine(World world, EngineOptions options, Hooks hooks) {
    return std::make_unique<EngineCore>(std::move(world), std::move(options), std::move(hooks));
}

EngineCore::EngineCore(World world, EngineOptions options, Hooks hooks)
    : services_(std::move(world), std::move(options), std::move(hooks)),
      statuses_(services_.world.outbox, services_.world.status_forges,
                [this](const std::string& app) { return status_source(app); }) {
    started_at_ = services_.now();
    services_.enqueue = [this](AppContext& app, Deployment deployment) {
        return enqueue(app, std::move(deployment));
    };
    services_.journal.send_with(
        [this](std::vector<ports::Write>& batch) {
            add_alerts(batch);
            // A page that only this machine can open is no use to the forge's readers.
            const auto& server = services_.server;
            statuses_.extend(batch, server.expose == "all" ? server.public_url : "",
                             services_.now());
        },
        [this] { services_.world.outbox->wake(); });
    services_.fleet.record_with([this](domain::Run run) { return record_run(std::move(run)); });
    services_.fleet.pass_others_to(services_.hooks.on_other_run);
    services_.world.traffic.on_connected(
        [this](const ports::TrafficHello& hello) { on_proxy_connected(hello); });
}

Task<Result<void>> EngineCore::record_run(domain::Run run) {
    // Booting must not need the database: what runs is known from the run directory.
    if (!services_.journal.store()) co_return Result<void>{};
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutRun{std::move(run)});
    co_return co_await services_.journal.save(std::move(writes), "run");
}

StatusSource EngineCore::status_source(const std::string& name) {
    StatusSource source;
    auto* app = find(name);
    if (!app || !app->config) return source;
    source.config = &*app->config;
    if (app->live) source.live_commit = app->live->manifest.commit;
    const auto& traffic = app->config->traffic;
    if (traffic.hosts.empty() || traffic.hosts.front().starts_with("*.")) return source;
    const bool tls = !services_.server.proxy_tls_listen.empty() ||
                     services_.server.public_url.starts_with("https:");
    source.site_url = (tls ? "https://" : "http://") + traffic.hosts.front() +
                      (traffic.path_prefix == "/" ? "" : traffic.path_prefix);
    return source;
}

Result<Secret> EngineCore::status_token(const std::string& name) {
    auto* app = find(name);
    if (!app || !app->config || !app->config->status_token)
        return Error{Errc::not_found, fmt::format("{} has no [status] token any more", name)};
    return services_.world.config.resolve(*app->config->status_token);
}

AppContext* EngineCore::find(const std::string& name) {
    auto found = apps_.find(name);
    return found == apps_.end() ? nullptr : found->second.get();
}

Result<AppContext*> EngineCore::known(const std::string& name) {
    auto* app = find(name);
    if (app && !app->record.removed) return app;
    return Error{Errc::not_found, fmt::format("no app is called \"{}\"", name)};
}

AppContext& EngineCore::add_app(const std::string& name) {
    auto& place = apps_[name];
    if (!place) {
        place = std::make_unique<AppContext>();
        place->name = name;
        place->record.name = name;
        if (auto epoch = proxy_epochs_.find(name); epoch != proxy_epochs_.end())
            place->record.epoch = epoch->second;
    }
    return *place;
}

Result<void> EngineCore::ready_for_work() const {
    if (!loaded_) return Error{Errc::unavailable, "belay is starting"};
    if (services_.closing.requested()) return Error{Errc::unavailable, "belay is shutting down"};
    if (!services_.journal.store()) return Error{Errc::unavailable, store_problem_};
    return {};
}

// Three uids in a row per app; never shared with another app, never with Belay.
Task<Result<void>> EngineCore::ensure_users(AppContext& app) {
    if (!services_.options.separate_users || app.record.uid_base != 0) co_return Result<void>{};
    std::set<int> taken;
    for (const auto& [name, other] : apps_)
        if (other->record.uid_base != 0) taken.insert(other->record.uid_base);
    const auto& range = services_.server.uids;
    for (int base = range.first; base + 2 <= range.last; base += 3) {
        if (taken.contains(base)) continue;
        app.record.uid_base = base;
        co_return Result<void>{};
    }
    co_return Error{Errc::limit,
                    fmt::format("[limits] uids = \"{}-{}\" has no three free ids for {}: widen it",
                                range.first, range.last, app.name)};
}

std::string EngineCore::undeployable(const AppContext& app) const {
    const auto& config = *app.config;
    if (!domain::is_deployable(config.target))
        return fmt::format("{}: apps with [{}] are not deployed yet", app.name,
                           to_string(config.target));
    const bool in_place = domain::is_in_place(config.target);
    if (!app.live || app.live->manifest.in_place() == in_place) return {};
    return fmt::format(
        "{} is live as a [{}], and its file says [{}]: neither can take over from the other. "
        "Deploy it under another name, or `belay remove {}` first",
        app.name, to_string(app.live->manifest.target()), to_string(config.target), app.name);
}

Task<Result<DeploymentId>> EngineCore::enqueue(AppContext& app, Deployment deployment,
                                               std::vector<ports::Write> more) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    auto users = co_await ensure_users(app);
    if (!users) co_return users.error();
    const auto now = services_.now();
    deployment.id = DeploymentId{++last_deployment_};
    deployment.app = app.name;
    deployment.state = State::queued;
    deployment.created_at = now;
    if (deployment.plan != Plan::restart) {
        if (!app.config)
            co_return Error{Errc::conflict, fmt::format("{} has no valid configuration: {}",
                                                        app.name, app.config_error)};
        if (auto why = undeployable(app); !why.empty()) co_return Error{Errc::conflict, why};
        deployment.release = ++app.record.last_release;
        deployment.config = app.config_hash;
        // What is at work was stored with its snapshot.
        if (!app.active || app.active->deployment.config != app.config_hash)
            more.emplace_back(ports::PutConfig{app.config_hash, app.config_json});
    }
    std::vector<Deployment> superseded;
    if (deployment.plan != Plan::restart)
        for (auto& older : app.queue) {
            if (older.plan == Plan::restart) continue;
            older.state = State::superseded;
            older.superseded_by = deployment.id;
            older.failure.reason = domain::Reason::superseded;
            older.failure.stage = "queued";
            older.failure.detail = fmt::format("{} is newer", to_string(deployment.id));
            older.rule = domain::Rule::newer_push;
            older.finished_at = now;
            superseded.push_back(older);
        }
    std::erase_if(app.queue,
                  [](const Deployment& queued) { return queued.state == State::superseded; });
    app.queue.push_back(deployment);
    app.unstored.insert(deployment.id);
    for (auto& older : superseded) {
        more.emplace_back(ports::PutDeployment{older});
        more.emplace_back(event_of(
            older, now,
            fmt::format("{} superseded by {}", to_string(older.id), to_string(deployment.id))));
    }
    for (auto& write : more)
        if (auto* delivered = std::get_if<ports::PutDelivery>(&write))
            delivered->delivery.deployment = deployment.id;
    more.emplace_back(ports::PutApp{app.record});
    more.emplace_back(ports::PutDeployment{deployment});
    more.emplace_back(
        event_of(deployment, now, fmt::format("{} queued", to_string(deployment.id))));
    auto saved = co_await services_.journal.save(std::move(more), "queued");
    if (!saved) {
        // Not stored is not accepted: the queue goes back to what the record says. One that a
        // newer push has taken the place of meanwhile is known to that push until its own end.
        auto taken = std::erase_if(
            app.queue, [&](const Deployment& queued) { return queued.id == deployment.id; });
        if (taken > 0) app.unstored.erase(deployment.id);
        for (auto& older : superseded) {
            if (app.unstored.erase(older.id) > 0) continue;
            older.state = State::queued;
            older.superseded_by = {};
            older.failure = {};
            older.rule = {};
            older.finished_at = {};
            put_back(app, older);
        }
        co_return saved.error();
    }
    app.unstored.erase(deployment.id);
    for (const auto& older : superseded)
        app.unstored.erase(older.id);
    if (deployment.plan != Plan::restart) co_await supersede_active(app, deployment.id);
    app.lane_wake.set();
    co_return deployment.id;
}

void EngineCore::put_back(AppContext& app, const Deployment& queued) {
    auto place = std::find_if(app.queue.begin(), app.queue.end(),
                              [&](const Deployment& other) { return other.id > queued.id; });
    app.queue.insert(place, queued);
    app.lane_wake.set();
}

// What a newer push does to the one at work (spec/decisions.md 6).
Task<void> EngineCore::supersede_active(AppContext& app, DeploymentId by) {
    if (!app.active || app.record.hold) co_return;
    auto& own = app.active->deployment;
    if (own.id == by ||
        !domain::may_supersede(own, app.active->course, app.record.superseded_in_row))
        co_return;
    if (own.state == State::releasing) {
        own.superseded_by = by;  // it runs to its end first
        std::vector<ports::Write> writes;
        writes.emplace_back(ports::PutDeployment{own});
        auto saved = co_await services_.journal.save(std::move(writes), "superseded_by");
        if (!saved)
            log::warning("superseding was not recorded", {{"error", saved.error().message}});
        co_return;
    }
    domain::Event event;
    event.kind = EventKind::supersede;
    event.rule = domain::Rule::newer_push;
    event.by = by;
    event.failure.detail = fmt::format("{} is newer", to_string(by));
    ask(app, std::move(event));
}

void EngineCore::ask(AppContext& app, domain::Event event) {
    app.active->asked = std::move(event);
    app.active->step.request();
}

// Restarts and rollbacks go first and pass a hold; of the others only the newest is ever queued.
std::optional<std::size_t> EngineCore::next_in_queue(const AppContext& app) const {
    auto stored = [&](const Deployment& queued) { return !app.unstored.contains(queued.id); };
    for (std::size_t i = 0; i < app.queue.size(); ++i)
        if (app.queue[i].plan == Plan::restart && stored(app.queue[i])) return i;
    for (std::size_t i = 0; i < app.queue.size(); ++i)
        if ((!app.record.hold || app.queue[i].force) && stored(app.queue[i])) return i;
    return std::nullopt;
}

Task<void> EngineCore::lane(AppContext& app) {
    while (!services_.closing.requested()) {
        app.lane_wake.reset();
        const bool worked = co_await work_on_next(app);
        // Before the next one begins, as a busy lane may never be idle when it is looked at.
        if (worked && std::exchange(app.prune_due, false)) {
            auto removals = co_await prune_releases(app, false);
            if (!removals)
                log::warning("old releases were not looked through",
                             {{"app", app.name}, {"error", removals.error().message}});
        }
        if (worked) continue;
        if (services_.closing.requested()) break;
        co_await app.lane_wake.wait();
    }
}

// False where nothing is to be done now.
Task<bool> EngineCore::work_on_next(AppContext& app) {
    if (app.active || app.record.removed) co_return false;
    const auto index = next_in_queue(app);
    if (!index) co_return false;
    const bool has_slot = app.queue[*index].plan != Plan::restart;
    if (has_slot && !services_.slots.take(app.lane_wake)) co_return false;
    auto deployment = app.queue[*index];
    app.queue.erase(app.queue.begin() + static_cast<std::ptrdiff_t>(*index));
    deployment.started_at = services_.now();
    auto prepared = co_await prepare_active(app, deployment);
    app.active->has_slot = has_slot;
    Deployer deployer(services_, app);
    if (!prepared) {
        co_await deployer.give_up(domain::Reason::config_invalid, prepared.error().message);
    } else {
        domain::Event picked;
        picked.kind = EventKind::picked;
        if (deployment.plan == Plan::restart && app.live &&
            app.live->release() == deployment.release)
            picked.already_live = deployment.trigger == domain::Trigger::rollback;
        // What was asked for meanwhile goes first: it ends what has not begun.
        if (!app.active->asked) app.active->asked = picked;
        co_await deployer.run(Effect::none);
    }
    app.active.reset();
    app.watch_wake.set();
    co_return true;
}

// Reads what the deployment was queued with.
Task<Result<void>> EngineCore::prepare_active(AppContext& app, Deployment deployment) {
    app.active = std::make_unique<Active>();
    auto& active = *app.active;
    active.deployment = deployment;  // at once: it is not in the queue any more
    active.picked = services_.world.timers.steady_now();
    auto& release = active.release;
    auto row = co_await services_.journal.store()->release(app.name, deployment.release);
    if (row && *row) release = **row;
    if (release.number == 0) {
        release.app = app.name;
        release.number = deployment.release;
        release.commit = deployment.commit;
        release.ref = deployment.ref;
        release.deployment = deployment.id;
        release.config = deployment.config;
        release.created_at = services_.now();
    }
    if (active.deployment.plan == Plan::restart) {
        auto manifest = co_await services_.world.releases.manifest(app.name, release.number);
        active.course.in_place = manifest && *manifest && (*manifest)->in_place();
        co_return Result<void>{};
    }
    auto json = co_await services_.journal.store()->config(active.deployment.config);
    if (!json) co_return json.error();
    if (!*json)
        co_return Error{Errc::internal, "its configuration snapshot is not in the database"};
    auto config = services_.world.config.decode(**json);
    if (!config) co_return prefixed("its configuration snapshot", config.error());
    // Values that stand in the file itself are no part of a snapshot.
    if (app.config)
        for (auto& [name, secret] : config->secrets)
            if (secret.kind == domain::SecretRef::Kind::inline_value)
                if (auto now = app.config->secrets.find(name); now != app.config->secrets.end())
                    secret = now->second;
    active.course.approval = config->manual_approval;
    active.course.release_command = !config->release.run.empty();
    active.course.release_idempotent = config->release.idempotent;
    active.course.in_place = domain::is_in_place(config->target);
    active.config = std::move(*config);
    co_return Result<void>{};
}

}  // namespace belay::engine
