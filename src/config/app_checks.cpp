#include "config/app_checks.hpp"

#include "config/files.hpp"
#include "config/grammar.hpp"
#include "config/nearest.hpp"
#include "config/users.hpp"

#include <belay/domain/target.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

using domain::AppConfig;
using domain::Target;

void check_scheme(Reading& reading, const AppConfig& app, const AppContext& context) {
    auto repo = parse_repo(app.repo);
    if (!repo) return;
    const auto& allow = context.server.git_allow;
    if (std::find(allow.begin(), allow.end(), repo->scheme) == allow.end())
        return reading.error_at(
            "repo", fmt::format("{0} is not allowed here: add \"{0}\" to [git] allow in belay.toml",
                                repo->scheme));
    if (repo->scheme == "http" && app.credentials.token)
        reading.warning_at("repo", "sends the token unencrypted; use https");
    if (repo->scheme != "file" || context.surroundings.root()) return;
    auto owner = owner_of(repo->path);
    if (owner && *owner != context.surroundings.uid)
        reading.error_at("repo", fmt::format("{} belongs to another user; not as root, only "
                                             "repositories of the same user are read",
                                             repo->path));
}

void check_source(Reading& reading, const AppConfig& app, const AppContext& context) {
    if (app.repo.empty() && !reading.given("repo"))
        reading.error({}, "repo",
                      "is missing: the repository's address, such as repo = "
                      "\"git@github.com:acme/shop.git\"");
    else
        check_scheme(reading, app, context);
    if (app.branch.empty() && app.tags.empty())
        reading.error_at("branch", "is empty, and tags is not given: nothing would be followed");
    if (!app.poll && app.webhook.secrets.empty())
        reading.error_at("poll", fmt::format("is off, and there is no webhook secret "
                                             "(secrets/{0}.hook): no push would be noticed; "
                                             "`belay init` makes one",
                                             app.name));
}

// Also one inside the other: a link can't be both.
void check_directories(Reading& reading, const AppConfig& app) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& each : app.shared)
        all.emplace_back("shared", each);
    for (const auto& each : app.writable)
        all.emplace_back("writable", each);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].second.empty())
            reading.error_at(all[i].first, "the whole release can't be " + all[i].first);
        for (std::size_t j = 0; j < all.size(); ++j) {
            const auto& [key, path] = all[i];
            bool inside =
                i != j && (path == all[j].second ? i > j : path.starts_with(all[j].second + "/"));
            if (inside && !all[j].second.empty())
                reading.error_at(key, fmt::format("\"{}\" lies within \"{}\" of {}", path,
                                                  all[j].second, all[j].first));
        }
    }
}

void check_step_secrets(Reading& reading, const AppConfig& app, const AppContext& context,
                        const std::string& path, const domain::Step& step) {
    std::vector<std::string> known(context.env_file_names.begin(), context.env_file_names.end());
    for (const auto& [name, secret] : app.secrets)
        known.push_back(name);
    for (const auto& name : step.secrets) {
        if (!context.env_file_known || std::find(known.begin(), known.end(), name) != known.end())
            continue;
        auto meant = nearest(name, known);
        reading.error_at(
            path + ".secrets",
            fmt::format("{} is no secret of this app{}", name,
                        meant.empty() ? fmt::format(": `belay secret set {} {}`", app.name, name)
                                      : fmt::format("; did you mean {}?", meant)));
    }
}

// Only what the file asks for: that defaults are without effect is the machine's to say.
void check_limits(Reading& reading, const Surroundings& surroundings, const std::string& path) {
    for (const auto& limit : surroundings.lacking_limits) {
        const auto key = path + ".limits." + limit;
        if (reading.given(key))
            reading.warning_at(key, "has no effect on this machine: " + surroundings.why_lacking);
    }
}

void check_steps(Reading& reading, const AppConfig& app, const AppContext& context,
                 const std::string& name, const std::vector<domain::Step>& steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto path = fmt::format("{}[{}]", name, i + 1);
        if (!reading.given(path)) path = name;
        check_step_secrets(reading, app, context, path, steps[i]);
        check_limits(reading, context.surroundings, path);
        if (steps[i].silence > steps[i].timeout && reading.given(path + ".silence"))
            reading.warning_at(
                path + ".silence",
                fmt::format("is longer than {}.timeout ({}), which ends the step before", name,
                            format_duration(steps[i].timeout)));
    }
}

void check_variables(Reading& reading, const AppConfig& app, const AppContext& context) {
    for (const auto& [name, value] : app.env)
        if (auto at = app.secrets.find(name); at != app.secrets.end())
            reading.error_at("env." + name,
                             fmt::format("stands in [secrets] too, line {}; keep one",
                                         reading.place_of("secrets." + name).line));
    for (const auto& name : context.env_file_names)
        if (app.secrets.contains(name))
            reading.warning_at(
                "secrets." + name,
                fmt::format("stands in secrets/{}.env too; this one is used", app.name));
    // a key that fell under [env] looks like a variable
    for (const auto* key :
         {"approval", "branch", "directory", "pipeline", "poll", "repo", "submodules", "tags"})
        if (app.env.contains(key))
            reading.warning_at(std::string("env.") + key,
                               fmt::format("is a variable here; if the key {} is meant, it belongs "
                                           "to the top of the file, above [env]",
                                           key));
}

// Belay neither starts what answers nor hands requests on to it.
void check_in_place(Reading& reading, const AppConfig& app) {
    const std::string kind(to_string(app.target));
    const bool systemd_knows = app.target == Target::unit && app.health.type == "none";
    if (!app.health.path.empty())
        reading.error_at("health.path",
                         fmt::format("a [{}] has no port of Belay's; write the whole "
                                     "address: url = \"http://127.0.0.1:9000{}\"",
                                     kind, app.health.path));
    else if (app.health.url.empty() && app.health.run.empty() && !systemd_knows)
        reading.error_at(kind,
                         fmt::format("needs a health check of its own: [health] url = "
                                     "\"http://127.0.0.1:9000/up\" or type = \"exec\"{}",
                                     app.target == Target::unit
                                         ? ", or type = \"none\": it is healthy that stays active"
                                         : ""));
    for (const auto* path : {"traffic.hosts", "traffic.listen"})
        if (auto given = reading.given(path); given && given->source != Source::server)
            reading.error_at(path,
                             fmt::format("the traffic of a [{}] does not come through Belay's "
                                         "proxy: whoever serves `current` listens for it",
                                         kind));
}

void check_runtime(Reading& reading, const domain::Process& process, const std::string& path,
                   const AppContext& context) {
    if (process.runtime != "systemd") return;
    // A default of belay.toml stands in for a key of the file itself.
    const auto key = path + ".runtime";
    if (!context.surroundings.systemd)
        reading.error_at(key,
                         "needs systemd as PID 1, which this machine does not have: use "
                         "\"process\"");
    else if (!context.surroundings.root())
        reading.error_at(key, "needs Belay to run as root: use \"process\"");
    if (process.socket_activation)
        reading.error_at(path + ".socket_activation",
                         "a unit of systemd gets no sockets of Belay's: use runtime = "
                         "\"process\", or have the app listen on PORT");
}

void check_target(Reading& reading, const AppConfig& app, const AppContext& context) {
    if (app.target == Target::service) {
        for (const auto& process : app.processes) {
            auto path = joined("service", process.name);
            if (!reading.given(path)) path = "service";
            check_limits(reading, context.surroundings, path);
            check_runtime(reading, process, path, context);
            if (!process.overlap)
                reading.warning_at(
                    path + ".overlap",
                    fmt::format("a gap at each switch: the old {0} stops before the new {0} starts",
                                process.name));
            if (process.is_web() && process.instances > 1 && process.socket_activation == false &&
                !process.overlap)
                reading.warning_at(path + ".instances",
                                   "none of them serves while they are replaced");
        }
        return;
    }
    auto needed = [&](const std::string& path, bool missing, std::string_view what) {
        if (missing && !reading.given(path))
            reading.error_at(path, fmt::format("is missing: {}", what));
    };
    if (app.target == Target::command) {
        needed("command.run", app.command.run.empty(), "the command that makes `current` live");
        reading.warning_at("command",
                           "a gap at each switch is up to the command; nothing runs beside the old "
                           "release, so neither a way "
                           "back without restart nor zero failed requests can be promised");
        check_in_place(reading, app);
    }
    if (app.target == Target::unit) {
        needed("unit.name", app.unit_name.empty(), "the systemd unit, such as \"shop.service\"");
        if (app.unit_action == "restart")
            reading.warning_at(
                "unit",
                "a gap at each switch: the unit is restarted; action = \"reload\" where it can");
        check_in_place(reading, app);
    }
    if (app.target == Target::static_files)
        needed("static.root", app.static_root.empty(),
               "the directory that is served, such as \"dist\"");
}

void check_notify(Reading& reading, const AppConfig& app, const domain::ServerConfig& server) {
    std::vector<std::string> known;
    for (const auto& channel : server.channels)
        known.push_back(channel.name);
    for (const auto& [event, channels] : app.notify)
        for (const auto& name : channels) {
            if (std::find(known.begin(), known.end(), name) != known.end()) continue;
            auto meant = nearest(name, known);
            reading.error_at(
                "notify." + event,
                fmt::format("there is no channel \"{}\"; {}", name,
                            meant.empty()
                                ? fmt::format("belay.toml would name it: [notify.{}]", name)
                                : fmt::format("did you mean \"{}\"?", meant)));
        }
}

}  // namespace

void check_app(Reading& reading, const AppConfig& app, const AppContext& context) {
    check_source(reading, app, context);
    check_directories(reading, app);
    check_steps(reading, app, context, "build", app.build);
    check_steps(reading, app, context, "test", app.test);
    if (app.target == Target::command)
        check_step_secrets(reading, app, context, "command", app.command);
    if (auto release = reading.given("release"); release && release->source == Source::app &&
                                                 app.release.run.empty() &&
                                                 !reading.given("release.run"))
        reading.error(*release, "release.run", "is missing: the command of the release");
    check_variables(reading, app, context);
    check_target(reading, app, context);
    check_users(reading, app, context);
    check_health(reading, app);
    check_traffic(reading, app, context);
    check_notify(reading, app, context.server);
}

}  // namespace belay::config
