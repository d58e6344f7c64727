#include "services.hpp"

#include "bake_monitor.hpp"

namespace belay::engine {

namespace {

constexpr Millis kFirstPasses{100};  // between the tries

}  // namespace

domain::AppUsers users_of(const AppContext& app, bool separate) {
    if (!separate || app.record.uid_base == 0) return {};
    return {app.record.uid_base, app.record.uid_base + 1, app.record.uid_base + 2};
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
                      std::int64_t epoch, ReleaseNumber fallback) {
    ports::Route route;
    route.app = manifest.app;
    route.epoch = epoch;
    route.release = manifest.number;
    route.hosts = manifest.route.hosts;
    route.path_prefix = manifest.route.path_prefix;
    route.listen = manifest.route.listen;
    route.upstreams = std::move(upstreams);
    route.fallback = fallback;
    route.drain = manifest.route.drain;
    return route;
}

Task<domain::Probe> probe_member(ports::Prober& prober, RunSetPtr set, std::size_t index,
                                 TimePoint at, async::Cancel cancel) {
    const auto& manifest = set->manifest;
    if (manifest.health.type == "none" || manifest.health.type == "exec") {
        domain::Probe passed;
        passed.at = at;
        passed.target = manifest.health.type;
        co_return passed;
    }
    ports::ProbeTarget target;
    target.health = manifest.health;
    target.port = set->members[index].port;
    if (!manifest.route.hosts.empty()) target.host_header = manifest.route.hosts.front();
    co_return co_await prober.probe(std::move(target), cancel);
}

Task<bool> wait_for_first_pass(Services& services, RunSetPtr set, Millis patience) {
    auto& timers = services.world.timers;
    const auto end = timers.steady_now() + patience;
    while (timers.steady_now() < end) {
        bool all = true;
        for (std::size_t i = 0; i < set->members.size(); ++i) {
            if (!set->members[i].serves) continue;
            auto probe = co_await probe_member(services.world.prober, set, i, services.now(),
                                               services.closing);
            services.tally.add_probe(set->manifest.app, probe);
            all = all && probe.passed();
        }
        if (all) co_return true;
        const bool slept = co_await timers.sleep(kFirstPasses, services.closing);
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
