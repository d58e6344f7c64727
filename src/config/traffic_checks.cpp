// Health checks and traffic: what must be long enough to see what it watches for.
#include "config/app_checks.hpp"
#include "config/grammar.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

using domain::AppConfig;
using domain::Target;

std::string shown(Millis duration) {
    return format_duration(duration);
}

// The key that was given, of several that together are wrong; the first where none was.
std::string given_of(const Reading& reading, std::initializer_list<const char*> paths) {
    for (const auto* path : paths)
        if (reading.given(path)) return path;
    return *paths.begin();
}

// reference/deploy-safety.md §2.3: an observation must be able to see a failure.
void check_bake(Reading& reading, const AppConfig& app) {
    const auto& health = app.health;
    if (health.type == "none") return;
    auto needed = health.interval * health.unhealthy + health.timeout;
    if (app.traffic.bake >= needed) return;
    auto path = given_of(reading,
                         {"traffic.bake", "health.unhealthy", "health.interval", "health.timeout"});
    reading.error_at(path,
                     fmt::format("a bake of {} is too short to see a failure: {} failures {} apart "
                                 "and a timeout of {} need {}; "
                                 "make traffic.bake at least \"{}\", or the others smaller",
                                 shown(app.traffic.bake), health.unhealthy, shown(health.interval),
                                 shown(health.timeout), shown(needed), shown(needed)));
}

void check_deadline(Reading& reading, const AppConfig& app) {
    const auto& health = app.health;
    // the earliest moment at which a release can count as healthy
    auto passes = health.interval * (health.healthy - 1);
    auto needed = std::max(health.min_healthy_time, passes);
    if (health.deadline > needed) return;
    auto path = given_of(reading, {"health.deadline", "health.min_healthy_time", "health.healthy",
                                   "health.interval"});
    reading.error_at(
        path,
        fmt::format(
            "no release could become healthy: health.deadline ({}) must be longer than {} ({})",
            shown(health.deadline),
            health.min_healthy_time >= passes ? "min_healthy_time" : "the passes in a row take",
            shown(needed)));
}

void check_places(Reading& reading, const AppConfig& app) {
    const auto& traffic = app.traffic;
    if (app.target != Target::service || app.processes.empty() || app.web() != nullptr) return;
    std::string first = app.processes[0].name;
    for (const auto* path : {"traffic.hosts", "traffic.listen", "health.path", "health.run"})
        if (reading.given(path) && reading.given(path)->source != Source::server)
            reading.error_at(path, fmt::format("no process is called web, so nothing gets traffic; "
                                               "[service.web] is missing (there is [service.{}])",
                                               first));
    if (traffic.path_prefix != "/" && reading.given("traffic.path_prefix"))
        reading.error_at("traffic.path_prefix",
                         "no process is called web, so nothing gets traffic");
}

}  // namespace

void check_health(Reading& reading, const AppConfig& app) {
    const auto& health = app.health;
    if (health.type == "http" && health.path.empty() && health.url.empty())
        reading.error_at("health.type", "http needs a path, such as path = \"/healthz\"");
    if (!health.path.empty() && !health.url.empty())
        reading.error_at("health.url",
                         fmt::format("stands beside health.path, line {}; a check asks one of them",
                                     reading.place_of("health.path").line));
    if (health.type == "exec" && health.run.empty() && !reading.given("health.run"))
        reading.error_at("health.type", "exec needs a command: run = \"bin/check\"");
    if (!health.expect_body.empty() && health.method == "HEAD")
        reading.error_at("health.expect_body",
                         "an answer to HEAD has no body; use method = \"GET\"");
    if (health.timeout >= health.deadline)
        reading.error_at(
            given_of(reading, {"health.timeout", "health.deadline"}),
            fmt::format("one probe's timeout ({}) is not shorter than health.deadline ({})",
                        shown(health.timeout), shown(health.deadline)));
    check_deadline(reading, app);
    check_bake(reading, app);
}

void check_traffic(Reading& reading, const AppConfig& app, const AppContext& context) {
    const auto& traffic = app.traffic;
    if (traffic.hosts.empty() && traffic.path_prefix != "/" && !traffic.listen.empty())
        reading.warning_at("traffic.path_prefix",
                           "counts for hosts; a port of its own serves all paths");
    for (const auto& address : traffic.listen) {
        auto parsed = parse_listen(address);
        const auto& ports = context.server.ports;
        if (parsed && parsed->port >= ports.first && parsed->port <= ports.last)
            reading.warning_at(
                "traffic.listen",
                fmt::format(
                    "port {} lies within [limits] ports ({}-{}), which releases get; take another",
                    parsed->port, ports.first, ports.last));
    }
    check_places(reading, app);
}

}  // namespace belay::config
