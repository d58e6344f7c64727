// What must not collide on one server.
#include "config/app_checks.hpp"
#include "config/grammar.hpp"
#include "config/users.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace belay::config {
namespace {

using domain::AppConfig;
using domain::ServerConfig;
using domain::Target;

struct Listener {
    ListenAddress address;
    std::string text;
    std::string owner;  // "server.listen", "app blog"
    Reading* reading;   // whose file says so
    std::string path;
};

void add(std::vector<Listener>& all, const std::string& text, std::string owner, Reading* reading,
         std::string path) {
    auto parsed = parse_listen(text);
    if (parsed) all.push_back({*parsed, text, std::move(owner), reading, std::move(path)});
}

std::vector<Listener> server_listeners(const ServerConfig& server, Reading* reading) {
    std::vector<Listener> all;
    add(all, server.listen, "server.listen of belay.toml", reading, "server.listen");
    for (const auto& text : server.proxy_listen)
        add(all, text, "proxy.listen of belay.toml", reading, "proxy.listen");
    for (const auto& text : server.proxy_tls_listen)
        add(all, text, "proxy.tls_listen of belay.toml", reading, "proxy.tls_listen");
    return all;
}

void complain(const Listener& here, const Listener& other) {
    here.reading->error_at(
        here.path, fmt::format("\"{}\" can't be bound beside \"{}\" of {}", here.text, other.text,
                               here.reading == other.reading ? other.path : other.owner));
}

void check_collisions(const std::vector<Listener>& all) {
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = i + 1; j < all.size(); ++j) {
            const auto& one = all[i];
            const auto& other = all[j];
            if (!one.address.collides(other.address)) continue;
            // within one file it is said once, where somebody wrote it
            bool first = one.reading != nullptr &&
                         (one.reading != other.reading || !one.reading->given(other.path));
            bool second = other.reading != nullptr && (one.reading != other.reading || !first);
            if (first) complain(one, other);
            if (second) complain(other, one);
        }
}

bool has_traffic(const AppConfig& app) {
    return app.target == Target::static_files ||
           (app.target == Target::service && app.web() != nullptr) || !app.health.url.empty();
}

std::string shown_route(const std::string& host, const std::string& prefix) {
    return host + (prefix == "/" ? "" : prefix);
}

void check_hosts(const std::vector<AppPart>& apps) {
    std::map<std::pair<std::string, std::string>, const AppPart*> taken;
    for (const auto& app : apps)
        for (const auto& host : app.config->traffic.hosts) {
            const auto& prefix = app.config->traffic.path_prefix;
            auto [at, fresh] = taken.emplace(std::pair{host, prefix}, &app);
            if (fresh || at->second == &app) continue;
            auto say = [&](const AppPart& here, const AppPart& there) {
                here.reading->error_at(
                    "traffic.hosts",
                    fmt::format("{} is of the app {} too ({})", shown_route(host, prefix),
                                there.config->name, there.config->file));
            };
            say(app, *at->second);
            say(*at->second, app);
        }
}

void check_catch_all(const std::vector<AppPart>& apps) {
    const AppPart* taken = nullptr;
    for (const auto& app : apps) {
        const auto& traffic = app.config->traffic;
        if (!traffic.hosts.empty() || !traffic.listen.empty() || !has_traffic(*app.config))
            continue;
        if (taken == nullptr) {
            taken = &app;
            continue;
        }
        auto say = [](const AppPart& here, const AppPart& there) {
            here.reading->error_at(
                "traffic.hosts",
                fmt::format(
                    "this app and {} ({}) both have no hosts and no listen, but only one app can "
                    "answer where no other does: give this one hosts = [\"{}.example.com\"] or a "
                    "port of its own",
                    there.config->name, there.config->file, here.config->name));
        };
        say(app, *taken);
        say(*taken, app);
    }
}

void check_reachable(const std::vector<AppPart>& apps, const ServerConfig& server) {
    if (!server.proxy_listen.empty() || !server.proxy_tls_listen.empty()) return;
    for (const auto& app : apps)
        if (app.config->traffic.listen.empty() && has_traffic(*app.config))
            app.reading->warning_at("traffic.listen",
                                    "is empty, and belay.toml has no shared port ([proxy] listen = "
                                    "[]): nobody can reach this app");
}

void check_public_host(const std::vector<AppPart>& apps, const ServerConfig& server) {
    auto url = parse_http_url(server.public_url);
    if (!url || server.expose != "all") return;
    for (const auto& app : apps)
        for (const auto& host : app.config->traffic.hosts)
            if (host == url->host && app.config->traffic.path_prefix == "/")
                app.reading->error_at("traffic.hosts",
                                      fmt::format("{} is public_url's host, where belay.toml shows "
                                                  "the dashboard (server.expose = \"all\"); "
                                                  "give this app a path_prefix or another host",
                                                  host));
}

bool is_this_machine(const std::string& host) {
    return host == "::1" || host.starts_with("127.");
}

}  // namespace

void check_server(Reading& reading, const ServerConfig& server) {
    constexpr int kUidsPerApp = 3;
    check_collisions(server_listeners(server, &reading));
    if (server.uids.last - server.uids.first + 1 < kUidsPerApp)
        reading.error_at("limits.uids", "is too small for one app, which needs three");
    for (const auto& listener : server_listeners(server, &reading))
        if (listener.address.port >= server.ports.first &&
            listener.address.port <= server.ports.last)
            reading.warning_at(
                listener.path,
                fmt::format(
                    "port {} lies within [limits] ports ({}-{}), which releases get; take another",
                    listener.address.port, server.ports.first, server.ports.last));
    auto listen = parse_listen(server.listen);
    if (listen && server.tls_cert.empty() && !is_this_machine(listen->host))
        reading.warning_at(
            "server.listen",
            "is open to other machines without TLS: no token is taken over it, as "
            "others could read it. Set [server] tls, or listen on 127.0.0.1 behind a "
            "proxy that speaks HTTPS");
    if (server.tls_cert.empty() != server.tls_key.empty())
        reading.error_at("server.tls",
                         fmt::format("has {} without {}", server.tls_key.empty() ? "cert" : "key",
                                     server.tls_key.empty() ? "key" : "cert"));
    if (server.state.empty()) reading.error_at("paths.state", "is empty");
    if (server.git_allow.empty())
        reading.error_at("git.allow", "is empty: no repository could be reached");
}

void check_together(const std::vector<AppPart>& apps, const ServerConfig& server,
                    const Surroundings& surroundings) {
    auto listeners = server_listeners(server, nullptr);
    for (const auto& app : apps)
        for (const auto& text : app.config->traffic.listen)
            add(listeners, text, fmt::format("the app {}", app.config->name), app.reading,
                "traffic.listen");
    check_collisions(listeners);
    check_hosts(apps);
    check_catch_all(apps);
    check_reachable(apps, server);
    check_public_host(apps, server);
    check_users_together(apps, surroundings);
}

}  // namespace belay::config
