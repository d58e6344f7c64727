// What the engine shows of itself.
#include "engine_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <unistd.h>

namespace belay::engine {

using domain::AppState;
using domain::State;

ServerStatus EngineCore::server_status() {
    ServerStatus status;
    status.version = services_.options.version;
    status.started_at = started_at_;
    status.pid = ::getpid();
    status.proxy_pid = services_.hooks.proxy_pid ? services_.hooks.proxy_pid() : 0;
    status.separate_users = services_.options.separate_users;
    status.state_directory = services_.options.state_directory;
    status.proxy_listen = services_.server.proxy_listen;
    status.public_url = services_.server.public_url;
    if (!loaded_)
        status.problems.push_back("belay is starting");
    else if (!services_.journal.store())
        status.problems.push_back("no new deployments: " + store_problem_);
    if (!server_problem_.empty()) status.problems.push_back(server_problem_);
    if (status.proxy_pid == 0) status.problems.push_back("the proxy does not run");
    status.ready = status.problems.empty();
    for (const auto& problem : listener_problems_)
        status.problems.push_back(problem);
    for (auto& problem : statuses_.problems())
        status.problems.push_back(std::move(problem));
    if (services_.world.outbox)
        for (auto& problem : services_.world.outbox->problems())
            status.problems.push_back(std::move(problem));
    if (!services_.options.separate_users)
        status.problems.push_back(
            "belay does not run as root: builds and apps run as its own user and can read what it "
            "can");
    if (!services_.options.lacking_limits.empty())
        status.problems.push_back(services_.options.lacking_limits);
    return status;
}

AppState EngineCore::state_of(const AppContext& app) const {
    if (app.record.stopped) return AppState::stopped;
    if (app.record.live == 0) return AppState::none;
    if (!app.live) return AppState::down;
    // Whether what runs elsewhere serves is known from its health check alone.
    bool serving = app.live->manifest.in_place();
    bool all = true;
    for (const auto& member : app.live->members) {
        if (!member.ours()) continue;
        auto info = services_.world.runtime.info(member.run_id);
        bool up = member.started && info && info->state == ports::RunState::running;
        all = all && up;
        serving = serving || up;
    }
    if (!serving) return AppState::down;
    if (!all || app.record.degraded ||
        (app.live_health != "healthy" && app.live_health != "unknown"))
        return AppState::degraded;
    return AppState::live;
}

AppView EngineCore::view(const AppContext& app) const {
    AppView view;
    view.name = app.name;
    view.state = state_of(app);
    view.hold = app.record.hold;
    view.stable = app.record.stable;
    if (app.record.live != 0) {
        LiveView live;
        live.release = app.record.live;
        live.commit = app.live ? app.live->manifest.commit : app.live_release.commit;
        live.since = app.live_release.live_since;
        live.health = app.live_health;
        if (app.live && app.live_health == "healthy" && app.live->manifest.health.type == "none")
            live.health = "unverified";
        view.live = live;
    }
    if (app.fallback && !app.fallback->manifest.in_place()) view.standby = app.fallback->release();
    if (app.active)
        view.deployment = app.active->deployment;
    else if (!app.queue.empty())
        view.deployment = app.queue.back();
    view.queued = app.queue;
    for (const auto& set : {app.live, app.fallback, app.candidate}) {
        if (!set) continue;
        for (const auto& member : set->members) {
            auto info = services_.world.runtime.info(member.run_id);
            if (!info) continue;
            view.processes.push_back({member.run_id, member.process, member.instance,
                                      set->release(), std::string(ports::to_string(info->state)),
                                      info->pid, member.port, static_cast<int>(info->restarts),
                                      info->started_at});
        }
    }
    view.config_error = app.config_error;
    view.orphaned = app.orphaned;
    view.config_newer =
        app.record.live != 0 && app.config && app.live_release.config != app.config_hash;
    view.file = app.file;
    if (app.config) {
        view.repo = app.config->repo;
        view.branch = app.config->branch;
        view.tags = app.config->tags;
        if (app.config->poll && !app.orphaned) view.poll = app.poll;
    }
    const auto* route =
        app.live && !app.live->manifest.in_place() ? &app.live->manifest.route : nullptr;
    if (route) {
        for (const auto& host : route->hosts)
            view.urls.push_back("http://" + host +
                                (route->path_prefix == "/" ? "" : route->path_prefix));
        for (const auto& listen : route->listen)
            view.urls.push_back("http://" +
                                (listen.starts_with(':') ? "127.0.0.1" + listen : listen));
        if (route->hosts.empty() && route->listen.empty() && services_.hooks.proxy_address) {
            auto address = services_.hooks.proxy_address();
            if (!address.empty()) view.urls.push_back("http://" + address);
        }
    }
    return view;
}

std::vector<AppView> EngineCore::apps() {
    std::vector<AppView> result;
    for (const auto& [name, app] : apps_)
        if (!app->record.removed) result.push_back(view(*app));
    return result;
}

Figures EngineCore::figures() {
    Figures figures;
    std::vector<std::string> gone;
    for (const auto& [name, counted] : services_.tally.apps()) {
        auto app = apps_.find(name);
        if (app == apps_.end() || app->second->record.removed)
            gone.push_back(name);
        else
            figures.apps.emplace(name, counted);
    }
    for (const auto& name : gone)
        services_.tally.forget(name);
    figures.failures = services_.tally.failures();
    figures.slots = services_.slots.count();
    figures.slots_taken = services_.slots.taken();
    figures.config_valid = server_problem_.empty();
    return figures;
}

Result<AppView> EngineCore::app(const std::string& name) {
    auto found = known(name);
    if (!found) return found.error();
    return view(**found);
}

Task<Result<std::vector<domain::Deployment>>> EngineCore::deployments(std::string name,
                                                                      ports::Page page) {
    auto app = known(name);
    if (!app) co_return app.error();
    if (!services_.journal.store()) co_return services_.journal.unavailable();
    co_return co_await services_.journal.store()->deployments(std::move(name), page);
}

Task<Result<DeploymentView>> EngineCore::deployment(DeploymentId id) {
    auto* store = services_.journal.store();
    if (!store) co_return services_.journal.unavailable();
    auto found = co_await store->deployment(id);
    if (!found) co_return found.error();
    if (!*found) co_return Error{Errc::not_found, fmt::format("no deployment {}", to_string(id))};
    DeploymentView view;
    view.deployment = **found;
    auto stages = co_await store->stages(id);
    if (!stages) co_return stages.error();
    view.stages = std::move(*stages);
    auto probes = co_await store->probes(id, 20);
    if (!probes) co_return probes.error();
    view.probes = std::move(*probes);
    for (const auto& [name, app] : apps_)
        if (app->active && app->active->deployment.id == id) {
            const auto& unsaved = app->active->unsaved_probes;
            view.probes.insert(view.probes.end(), unsaved.begin(), unsaved.end());
            if (view.probes.size() > 20)
                view.probes.erase(view.probes.begin(), view.probes.end() - 20);
        }
    std::string tail;
    for (const auto& stage : view.stages)
        if (stage.state == domain::StageState::failed && !stage.tail.empty()) tail = stage.tail;
    std::istringstream lines(tail);
    for (std::string line; std::getline(lines, line);)
        view.log_tail.push_back(line);
    co_return view;
}

Task<Result<std::vector<domain::Release>>> EngineCore::releases(std::string name) {
    auto app = known(name);
    if (!app) co_return app.error();
    if (!services_.journal.store()) co_return services_.journal.unavailable();
    co_return co_await services_.journal.store()->releases(std::move(name));
}

Task<Result<std::vector<LogSource>>> EngineCore::stage_logs(DeploymentId id, std::string wanted) {
    auto* store = services_.journal.store();
    if (!store) co_return services_.journal.unavailable();
    auto found = co_await store->deployment(id);
    if (!found) co_return found.error();
    if (!*found) co_return Error{Errc::not_found, fmt::format("no deployment {}", to_string(id))};
    auto stages = co_await store->stages(id);
    if (!stages) co_return stages.error();
    std::vector<LogSource> result;
    std::string names;
    for (const auto& stage : *stages) {
        // These are the daemon's own steps: they write no log.
        if (stage.name == "seal" || stage.name == "start" || stage.name == "verify" ||
            stage.name == "switch" || stage.name == "unit" || stage.name == "bake")
            continue;
        names += (names.empty() ? "" : ", ") + stage.name;
        if (!wanted.empty() && stage.name != wanted) continue;
        LogSource source;
        source.path = fmt::format("{}/logs/{}/{}/{}.log", services_.options.state_directory,
                                  (*found)->app, to_string(id), stage.name);
        source.name = stage.name;
        source.live = !domain::is_end((*found)->state);
        source.deployment = id;
        if (result.empty() || result.back().path != source.path)
            result.push_back(std::move(source));
    }
    if (result.empty() && !wanted.empty())
        co_return Error{Errc::not_found,
                        fmt::format("{} has no log of a stage \"{}\"; it has: {}", to_string(id),
                                    wanted, names.empty() ? "none" : names)};
    co_return result;
}

std::vector<Secret> EngineCore::mask_of(const AppContext& app) const {
    std::vector<Secret> values;
    if (!app.config) return values;
    auto secrets = services_.world.config.secrets(*app.config);
    if (!secrets) return values;
    for (const auto& [name, value] : *secrets)
        values.push_back(value);
    return values;
}

LogSource EngineCore::unit_log(const AppContext& app) const {
    const auto& unit = app.live->manifest.unit->name;
    LogSource source;
    source.name = unit;
    source.live = true;
    source.mask = mask_of(app);
    source.journal = [&units = services_.world.units, unit](std::int64_t after) {
        return units.log(unit, after);
    };
    source.journal_from = std::chrono::duration_cast<std::chrono::microseconds>(
                              app.live_release.live_since.time_since_epoch())
                              .count();
    return source;
}

Result<std::vector<LogSource>> EngineCore::app_logs(const std::string& name,
                                                    const std::string& process) {
    auto found = known(name);
    if (!found) return found.error();
    const auto& app = **found;
    if (!app.live) return Error{Errc::conflict, fmt::format("{} has nothing running", name)};
    if (app.live->manifest.command)
        return Error{Errc::conflict,
                     fmt::format("{} is a [command]: what runs of it writes its log elsewhere; "
                                 "`belay logs {} --stage command` shows the command's own",
                                 name, to_string(app.live->manifest.deployment))};
    std::vector<LogSource> result;
    if (app.live->manifest.unit) {
        if (!process.empty())
            return Error{Errc::not_found,
                         fmt::format("{} has no process \"{}\": it is the unit {}", name, process,
                                     app.live->manifest.unit->name)};
        result.push_back(unit_log(app));
        return result;
    }
    for (const auto& member : app.live->members) {
        if (!process.empty() && member.process != process) continue;
        LogSource source;
        source.path =
            services_.fleet.log_path(name, app.live->release(), member.process, member.instance);
        source.name = fmt::format("{}.{}", member.process, member.instance);
        source.live = true;
        source.mask = mask_of(app);
        result.push_back(std::move(source));
    }
    if (result.empty())
        return Error{Errc::not_found, fmt::format("{} has no process \"{}\"", name, process)};
    return result;
}

Task<Result<std::vector<domain::EventRecord>>> EngineCore::events(std::int64_t after, int limit,
                                                                  std::string app,
                                                                  DeploymentId deployment) {
    if (!services_.journal.store()) co_return services_.journal.unavailable();
    co_return co_await services_.journal.store()->events(after, limit, std::move(app), deployment);
}

async::Subscription EngineCore::subscribe(EventSink sink) {
    return services_.journal.subscribe(std::move(sink));
}

}  // namespace belay::engine
