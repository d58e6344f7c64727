// How the configuration's files come into force.
#include "engine_core.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <set>
#include <utility>

namespace belay::engine {

using domain::Deployment;
using domain::Trigger;

Task<Result<ReloadReport>> EngineCore::reload() {
    auto report = take_config(services_.world.config.load());
    auto unopened = co_await open_listeners();
    for (const auto& problem : unopened)
        report.complaints.push_back({"", 0, 0, problem, true});
    for (auto& [name, app] : apps_)
        start_tasks(*app);
    co_return report;
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

}  // namespace belay::engine
