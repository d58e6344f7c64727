#include "services.hpp"

#include "bake_monitor.hpp"
#include "environment.hpp"
#include "users.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

namespace {

constexpr Millis kFirstPasses{100};  // between the tries

// That it runs is all that is known of it.
Task<domain::Probe> probe_of_none(Services& services, RunSetPtr set, std::size_t index) {
    const auto& member = set->members[index];
    domain::Probe probe;
    probe.at = services.now();
    probe.target = "none";
    if (set->manifest.unit) {
        const auto& name = set->manifest.unit->name;
        probe.target = name;
        auto state = co_await services.world.units.state(name);
        if (!state)
            probe.error = state.error().message;
        else if (!state->up())
            probe.error = fmt::format("{} is {} ({})", name, state->active, state->sub);
    } else if (member.ours()) {
        auto info = services.world.runtime.info(member.run_id);
        if (!info || info->state != ports::RunState::running)
            probe.error = member.process + " does not run";
        else if (says_it_starts(services, member))
            probe.error = member.process + " has not said READY=1 yet";
    }
    co_return probe;
}

// The command runs where the release is, as its user and with its environment.
Task<Result<ports::ProbeProgram>> program_of(Services& services, RunSetPtr set, std::size_t index) {
    const auto& member = set->members[index];
    const auto& manifest = set->manifest;
    const std::string process = member.ours() ? member.process : "run";
    auto environment =
        co_await services.world.releases.environment(manifest.app, manifest.number, process);
    if (!environment) co_return environment.error();
    ports::ProbeProgram program;
    program.cwd = manifest.directory;
    program.env = std::move(*environment);
    program.mask = secrets_in(manifest, program.env);
    if (member.ours()) {
        add_instance(program.env, member.process, member.instance, member.port);
        program.user = user_of(plan_of(*set, member));
    } else if (manifest.command) {
        program.user = user_of(*manifest.command);
    } else if (manifest.unit) {
        program.user = user_of(*manifest.unit);
    }
    co_return program;
}

}  // namespace

domain::AppUsers users_of(const AppContext& app, bool separate) {
    if (!separate || app.record.uid_base == 0) return {};
    return {app.record.uid_base, app.record.uid_base + 1, app.record.uid_base + 2};
}

Result<domain::AppUsers> users_of(const Services& services, const AppContext& app,
                                  const domain::AppConfig& config) {
    auto users = users_of(app, services.options.separate_users);
    if (!users.separate()) return users;
    auto name = [&](const std::string& word, std::optional<User>& user, int& uid) -> Result<void> {
        if (word == "auto") return {};
        auto found = services.world.config.user(word);
        if (!found) return prefixed("user", found.error());
        uid = static_cast<int>(found->uid);
        user = std::move(*found);
        return {};
    };
    if (auto named = name(config.build_user(), users.named_build, users.build); !named)
        return named.error();
    if (auto named = name(config.run_user(), users.named_run, users.run); !named)
        return named.error();
    return users;
}

ports::AddEvent event_of(const domain::Deployment& deployment, TimePoint at, std::string text) {
    domain::EventRecord event;
    event.at = at;
    event.type = "deployment";
    event.app = deployment.app;
    event.deployment = deployment.id;
    event.state = to_string(deployment.state);
    event.text = std::move(text);
    return {std::move(event)};
}

ports::AddEvent app_event(const std::string& app, TimePoint at, std::string state,
                          std::string text) {
    domain::EventRecord event;
    event.at = at;
    event.type = "app";
    event.app = app;
    event.state = std::move(state);
    event.text = std::move(text);
    return {std::move(event)};
}

ports::Route route_of(const domain::Manifest& manifest, std::vector<ports::Upstream> upstreams,
                      std::int64_t epoch) {
    ports::Route route;
    route.app = manifest.app;
    route.epoch = epoch;
    route.release = manifest.number;
    route.hosts = manifest.route.hosts;
    route.path_prefix = manifest.route.path_prefix;
    route.listen = manifest.route.listen;
    route.upstreams = std::move(upstreams);
    route.drain = manifest.route.drain;
    return route;
}

std::vector<Secret> secrets_in(
    const domain::Manifest& manifest,
    const std::vector<std::pair<std::string, std::string>>& environment) {
    std::vector<Secret> values;
    for (const auto& [name, value] : environment)
        if (std::find(manifest.secrets.begin(), manifest.secrets.end(), name) !=
            manifest.secrets.end())
            values.emplace_back(value);
    return values;
}

bool says_it_starts(const Services& services, const Member& member) {
    const auto* readiness = services.world.readiness;
    return readiness && member.ours() && readiness->starting(member.run_id);
}

Task<domain::Probe> probe_member(Services& services, RunSetPtr set, std::size_t index,
                                 async::Cancel cancel) {
    const auto& manifest = set->manifest;
    const auto& type = manifest.health.type;
    if (type == "none") co_return co_await probe_of_none(services, set, index);
    ports::ProbeTarget target;
    if (type == "exec") {
        auto program = co_await program_of(services, set, index);
        if (!program) {
            domain::Probe failed;
            failed.at = services.now();
            failed.target = "exec";
            failed.error = program.error().message;
            co_return failed;
        }
        target.program = std::move(*program);
    }
    target.health = manifest.health;
    target.port = set->members[index].port;
    if (!manifest.route.hosts.empty()) target.host_header = manifest.route.hosts.front();
    co_return co_await services.world.prober.probe(std::move(target), cancel);
}

Millis first_pause(const domain::Health& health, Millis most_often) {
    return health.type == "exec" ? health.interval : std::min(most_often, health.interval);
}

Task<bool> wait_for_first_pass(Services& services, RunSetPtr set, Millis patience) {
    auto& timers = services.world.timers;
    const auto end = timers.steady_now() + patience;
    while (timers.steady_now() < end) {
        bool all = true;
        for (std::size_t i = 0; i < set->members.size(); ++i) {
            if (!set->members[i].serves) continue;
            auto probe = co_await probe_member(services, set, i, services.closing);
            services.tally.add_probe(set->manifest.app, probe);
            all = all && probe.passed();
        }
        if (all) co_return true;
        const bool slept = co_await timers.sleep(first_pause(set->manifest.health, kFirstPasses),
                                                 services.closing);
        if (!slept) co_return false;
    }
    co_return false;
}

domain::Manifest with_ports(const RunSet& set) {
    auto manifest = set.manifest;
    for (auto& plan : manifest.processes) {
        plan.ports.clear();
        for (const auto& member : set.members)
            if (member.process == plan.name && member.port != 0) plan.ports.push_back(member.port);
    }
    return manifest;
}

Task<void> settle_boot(Services& services, const AppContext& app) {
    if (app.live && app.stable && app.stable->number == app.live->release())
        co_await services.fleet.start_at_boot(app.live);
}

domain::LiveManifest live_manifest(const AppContext& app) {
    domain::LiveManifest live;
    live.app = app.name;
    live.epoch = app.record.epoch;
    live.stopped = app.record.stopped;
    live.stable = app.stable;
    if (app.live) live.live = with_ports(*app.live);
    return live;
}

}  // namespace belay::engine
