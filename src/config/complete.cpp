#include "config/app_checks.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::config {
namespace {

using domain::AppConfig;
using domain::Target;

struct TargetTable {
    Target target;
    std::string name;
};
const std::array<TargetTable, 4> kTargets{
    TargetTable{Target::service, "service"}, TargetTable{Target::command, "command"},
    TargetTable{Target::unit, "unit"}, TargetTable{Target::static_files, "static"}};

// A table that only [defaults] has doesn't choose the target, unless nothing else does and it is
// whole.
bool is_whole(const AppConfig& app, Target target) {
    switch (target) {
        case Target::service:
            return !app.processes.empty();
        case Target::command:
            return !app.command.run.empty();
        case Target::unit:
            return !app.unit_name.empty();
        case Target::static_files:
            return !app.static_root.empty();
    }
    return false;
}

void complete_target(Reading& reading, AppConfig& app) {
    std::vector<TargetTable> own;
    std::vector<TargetTable> inherited;
    for (const auto& each : kTargets) {
        auto place = reading.given(each.name);
        if (!place) continue;
        if (place->source != Source::server)
            own.push_back(each);
        else if (is_whole(app, each.target))
            inherited.push_back(each);
    }
    const auto& candidates = own.empty() ? inherited : own;
    if (candidates.empty())
        return reading.error({}, "",
                             "says nothing about what to run: one of [service], [command], [unit] "
                             "and [static] is needed");
    app.target = candidates[0].target;
    for (std::size_t i = 1; i < candidates.size(); ++i)
        reading.error_at(candidates[i].name,
                         fmt::format("[{}] stands beside [{}], line {}; an app has one of them",
                                     candidates[i].name, candidates[0].name,
                                     reading.place_of(candidates[0].name).line));
    if (app.target != Target::service) app.processes.clear();
    if (app.target != Target::command) app.command = domain::Step{};
    if (app.target != Target::unit) {
        app.unit_name.clear();
        app.unit_action = "restart";
    }
    if (app.target != Target::static_files) app.static_root.clear();
}

// An app's own type makes void what [defaults] says for another; what stands in one file must fit
// together.
void complete_health(Reading& reading, AppConfig& app) {
    auto& health = app.health;
    auto type = reading.given("health.type");
    const std::string type_of_url = health.url.starts_with("tcp://") ? "tcp" : "http";
    if (!type) {
        health.type = !health.path.empty() ? "http" : !health.url.empty() ? type_of_url : "tcp";
        if (!health.run.empty())
            reading.error_at("health.run",
                             "is of type exec; write type = \"exec\" beside it, or take it away");
        return;
    }
    auto fits = [&](const std::string& key, bool is_set, const std::string& wanted,
                    std::string& value) {
        if (!is_set || health.type == wanted) return;
        auto place = reading.place_of("health." + key);
        if (place.source == type->source)
            reading.error(
                place, "health." + key,
                fmt::format("is of type {}, but health.type is \"{}\"", wanted, health.type));
        value.clear();
    };
    fits("path", !health.path.empty(), "http", health.path);
    fits("url", !health.url.empty(), type_of_url, health.url);
    if (!health.run.empty() && health.type != "exec") {
        auto place = reading.place_of("health.run");
        if (place.source == type->source)
            reading.error(place, "health.run",
                          fmt::format("is of type exec, but health.type is \"{}\"", health.type));
        health.run = {};
    }
}

}  // namespace

void complete(Reading& reading, AppConfig& app) {
    // whoever writes tags alone wants releases made of tags alone
    if (!app.tags.empty() && !reading.given("branch")) app.branch.clear();
    complete_target(reading, app);
    complete_health(reading, app);
}

}  // namespace belay::config
