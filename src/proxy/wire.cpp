#include "wire.hpp"

#include <nlohmann/json.hpp>

namespace belay::proxy {
namespace {

using nlohmann::json;

template <class T>
void read(const json& from, const char* key, T& into) {
    if (auto at = from.find(key); at != from.end()) {
        try {
            at->get_to(into);
        } catch (const json::exception&) {
            throw ErrorException(
                Error{Errc::invalid, std::string("\"") + key + "\" has the wrong type"});
        }
    }
}

void read(const json& from, const char* key, Millis& into) {
    auto count = into.count();
    read(from, key, count);
    into = Millis{count};
}

void read(const json& from, const char* key, ports::Upstream& into) {
    if (auto at = from.find(key); at != from.end()) {
        read(*at, "host", into.host);
        read(*at, "port", into.port);
    }
}

json upstream_json(const ports::Upstream& upstream) {
    return {{"host", upstream.host}, {"port", upstream.port}};
}

json upstreams_json(const std::vector<ports::Upstream>& upstreams) {
    json all = json::array();
    for (const auto& upstream : upstreams)
        all.push_back(upstream_json(upstream));
    return all;
}

void read(const json& from, const char* key, std::vector<ports::Upstream>& into) {
    for (const auto& item : from.value(key, json::array())) {
        ports::Upstream upstream;
        read(item, "host", upstream.host);
        read(item, "port", upstream.port);
        into.push_back(std::move(upstream));
    }
}

// What the readers throw becomes the result.
template <class T, class Reader>
Result<T> guarded(const json& from, Reader reader) {
    if (!from.is_object()) return Error{Errc::invalid, "an object is expected"};
    try {
        T value;
        reader(value);
        return value;
    } catch (const ErrorException& failure) {
        return failure.error();
    } catch (const json::exception&) {
        return Error{Errc::invalid, "a value has the wrong type"};
    }
}

const char* to_text(ports::Expose expose) {
    switch (expose) {
        case ports::Expose::none:
            return "none";
        case ports::Expose::hooks:
            return "hooks";
        case ports::Expose::all:
            break;
    }
    return "all";
}

ports::Expose read_expose(const std::string& text) {
    if (text == "none") return ports::Expose::none;
    if (text == "hooks") return ports::Expose::hooks;
    if (text == "all") return ports::Expose::all;
    throw ErrorException(Error{Errc::invalid, "\"expose\" is none of none, hooks, all"});
}

}  // namespace

json to_json(const ports::Route& route) {
    return {{"app", route.app},
            {"epoch", route.epoch},
            {"release", route.release},
            {"hosts", route.hosts},
            {"path_prefix", route.path_prefix},
            {"listen", route.listen},
            {"upstreams", upstreams_json(route.upstreams)},
            {"fallback", route.fallback},
            {"fallback_upstreams", upstreams_json(route.fallback_upstreams)},
            {"drain_ms", route.drain.count()},
            {"upstream_idle_ms", route.upstream_idle.count()},
            {"response_timeout_ms", route.response_timeout.count()}};
}

Result<ports::Route> read_route(const json& from) {
    return guarded<ports::Route>(from, [&](ports::Route& route) {
        read(from, "app", route.app);
        read(from, "epoch", route.epoch);
        read(from, "release", route.release);
        read(from, "hosts", route.hosts);
        read(from, "path_prefix", route.path_prefix);
        read(from, "listen", route.listen);
        read(from, "fallback", route.fallback);
        read(from, "drain_ms", route.drain);
        read(from, "upstream_idle_ms", route.upstream_idle);
        read(from, "response_timeout_ms", route.response_timeout);
        read(from, "upstreams", route.upstreams);
        read(from, "fallback_upstreams", route.fallback_upstreams);
    });
}

json to_json(const ports::TrafficSettings& settings) {
    return {{"trusted_proxies", settings.trusted_proxies},
            {"public_host", settings.public_host},
            {"expose", to_text(settings.expose)},
            {"daemon", upstream_json(settings.daemon)},
            {"connections_max", settings.connections_max}};
}

Result<ports::TrafficSettings> read_settings(const json& from) {
    return guarded<ports::TrafficSettings>(from, [&](ports::TrafficSettings& settings) {
        std::string expose = to_text(settings.expose);
        read(from, "trusted_proxies", settings.trusted_proxies);
        read(from, "public_host", settings.public_host);
        read(from, "expose", expose);
        read(from, "daemon", settings.daemon);
        read(from, "connections_max", settings.connections_max);
        settings.expose = read_expose(expose);
    });
}

json to_json(const ports::Serving& serving) {
    return {{"epoch", serving.epoch}, {"release", serving.release}, {"fallback", serving.fallback}};
}

Result<ports::Serving> read_serving(const json& from) {
    return guarded<ports::Serving>(from, [&](ports::Serving& serving) {
        read(from, "epoch", serving.epoch);
        read(from, "release", serving.release);
        read(from, "fallback", serving.fallback);
    });
}

json to_json(const ports::ReleaseCounters& counters) {
    return {{"release", counters.release},
            {"requests", counters.requests},
            {"status", counters.status},
            {"gateway_errors", counters.gateway_errors},
            {"truncated", counters.truncated},
            {"failed_over", counters.failed_over},
            {"connect_errors", counters.connect_errors},
            {"resets", counters.resets},
            {"timeouts", counters.timeouts},
            {"client_aborts", counters.client_aborts},
            {"in_flight", counters.in_flight},
            {"open_streams", counters.open_streams},
            {"latency_sum_us", counters.latency_sum_us},
            {"latency", counters.latency}};
}

Result<ports::ReleaseCounters> read_counters(const json& from) {
    return guarded<ports::ReleaseCounters>(from, [&](ports::ReleaseCounters& counters) {
        read(from, "release", counters.release);
        read(from, "requests", counters.requests);
        read(from, "status", counters.status);
        read(from, "gateway_errors", counters.gateway_errors);
        read(from, "truncated", counters.truncated);
        read(from, "failed_over", counters.failed_over);
        read(from, "connect_errors", counters.connect_errors);
        read(from, "resets", counters.resets);
        read(from, "timeouts", counters.timeouts);
        read(from, "client_aborts", counters.client_aborts);
        read(from, "in_flight", counters.in_flight);
        read(from, "open_streams", counters.open_streams);
        read(from, "latency_sum_us", counters.latency_sum_us);
        read(from, "latency", counters.latency);
    });
}

json to_json(const ports::TrafficFigures& figures) {
    json apps = json::object();
    for (const auto& [app, releases] : figures.apps)
        for (const auto& counters : releases)
            apps[app].push_back(to_json(counters));
    return {{"started_at", format_time(figures.started_at)},
            {"connections", figures.connections},
            {"idle_connections", figures.idle_connections},
            {"connections_max", figures.connections_max},
            {"unrouted", figures.unrouted},
            {"apps", std::move(apps)}};
}

Result<ports::TrafficFigures> read_figures(const json& from) {
    return guarded<ports::TrafficFigures>(from, [&](ports::TrafficFigures& figures) {
        std::string started;
        read(from, "started_at", started);
        if (auto time = parse_time(started)) figures.started_at = *time;
        read(from, "connections", figures.connections);
        read(from, "idle_connections", figures.idle_connections);
        read(from, "connections_max", figures.connections_max);
        read(from, "unrouted", figures.unrouted);
        auto apps = from.value("apps", json::object());
        for (const auto& [app, releases] : apps.items())
            for (const auto& item : releases) {
                auto counters = read_counters(item);
                if (!counters) throw ErrorException(counters.error());
                figures.apps[app].push_back(*counters);
            }
    });
}

json to_json(const ports::TrafficHello& hello) {
    json apps = json::object();
    for (const auto& [app, serving] : hello.apps)
        apps[app] = to_json(serving);
    return {{"version", hello.version},   {"pid", hello.pid},
            {"instance", hello.instance}, {"started_at", format_time(hello.started_at)},
            {"apps", std::move(apps)},    {"listeners", hello.listeners},
            {"warning", hello.warning}};
}

Result<ports::TrafficHello> read_hello(const json& from) {
    return guarded<ports::TrafficHello>(from, [&](ports::TrafficHello& hello) {
        std::string started;
        read(from, "version", hello.version);
        read(from, "pid", hello.pid);
        read(from, "instance", hello.instance);
        read(from, "started_at", started);
        read(from, "listeners", hello.listeners);
        read(from, "warning", hello.warning);
        if (auto time = parse_time(started)) hello.started_at = *time;
        auto apps = from.value("apps", json::object());
        for (const auto& [app, item] : apps.items()) {
            auto serving = read_serving(item);
            if (!serving) throw ErrorException(serving.error());
            hello.apps[app] = *serving;
        }
    });
}

}  // namespace belay::proxy
