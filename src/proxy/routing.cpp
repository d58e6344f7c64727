#include "routing.hpp"

#include <belay/base/log.hpp>

#include <algorithm>

namespace belay::proxy {
namespace {

Error stale(const std::string& app, std::int64_t epoch, std::int64_t current) {
    return Error{Errc::conflict, "route of " + app + ": epoch " + std::to_string(epoch) +
                                     " is not above the current " + std::to_string(current)};
}

std::shared_ptr<Target> same_target(const std::shared_ptr<Live>& live,
                                    const ports::Upstream& upstream) {
    for (const auto& target : live->targets)
        if (target->upstream() == upstream) return target;
    return nullptr;
}

}  // namespace

Result<void> check_route(const ports::Route& route) {
    auto bad = [&](std::string what) {
        return Error{Errc::invalid, "route of \"" + route.app + "\": " + what};
    };
    if (auto name = check_app_name(route.app); !name) return name.error();
    if (route.epoch <= 0) return bad("epoch must be above 0");
    if (route.release <= 0) return bad("release must be above 0");
    if (!route.path_prefix.starts_with('/')) return bad("path_prefix must begin with /");
    if (route.upstream_idle.count() < 0 || route.response_timeout.count() <= 0 ||
        route.drain.count() < 0)
        return bad("a duration is negative");
    for (const auto* upstreams : {&route.upstreams, &route.fallback_upstreams})
        for (const auto& upstream : *upstreams) {
            auto address = socket_address(upstream.host, upstream.port);
            if (!address) return prefixed("upstream", address.error());
            if (upstream.port == 0) return bad("an upstream has no port");
        }
    if (!route.fallback_upstreams.empty() && route.fallback <= 0)
        return bad("fallback_upstreams without a fallback");
    for (const auto& host : route.hosts)
        if (host.empty() || (host.find('*') != std::string::npos &&
                             (!host.starts_with("*.") || host.rfind('*') != 0)))
            return bad("host \"" + host + "\" is neither a name nor *.NAME");
    return {};
}

Routing::Routing(Loop& loop) : loop_(loop) {
    auto accepted = set_settings(ports::TrafficSettings());
    if (!accepted) throw ErrorException(accepted.error());
}

void Routing::restore(const RoutingState& state) {
    if (auto done = set_settings(state.settings); !done)
        log::error("the stored settings are not in force", {{"error", done.error().message}});
    for (const auto& route : state.routes)
        if (auto done = apply(route); !done)
            log::error("a stored route is not in force",
                       {{"app", route.app}, {"error", done.error().message}});
    for (const auto& [app, epoch] : state.tombstones)
        apps_[app] = App{epoch, true, {}, {}};
}

RoutingState Routing::state() const {
    RoutingState state{settings_, {}, {}};
    for (const auto& [name, app] : apps_) {
        if (app.removed)
            state.tombstones[name] = app.epoch;
        else
            state.routes.push_back(lives_.at(name)->route);
    }
    return state;
}

// Equal and identical is fine: the daemon repeats what it doesn't know to have arrived.
Result<void> Routing::check_epoch(const std::string& app, std::int64_t epoch,
                                  const ports::Route* route) const {
    auto at = apps_.find(app);
    if (at == apps_.end() || epoch > at->second.epoch) return {};
    bool identical =
        epoch == at->second.epoch &&
        (route ? !at->second.removed && lives_.at(app)->route == *route : at->second.removed);
    if (!identical) return stale(app, epoch, at->second.epoch);
    return {};
}

Result<void> Routing::apply(ports::Route route) {
    if (auto good = check_route(route); !good) return good;
    if (auto good = check_epoch(route.app, route.epoch, &route); !good) return good;
    auto& app = apps_[route.app];
    if (app.epoch == route.epoch) return {};
    auto name = route.app;
    app.epoch = route.epoch;
    app.removed = false;
    auto& place = lives_[name];
    auto old = place;
    place = make_live(std::move(route), old);
    auto fresh = place;
    publish();
    if (old) replace(app, old, fresh);
    forget_old_releases(app);
    return {};
}

Result<void> Routing::remove(const std::string& name, std::int64_t epoch) {
    if (auto good = check_epoch(name, epoch, nullptr); !good) return good;
    auto& app = apps_[name];
    app.epoch = epoch;
    app.removed = true;
    if (auto at = lives_.find(name); at != lives_.end()) {
        auto old = at->second;
        lives_.erase(at);
        publish();
        replace(app, old, nullptr);
    }
    return {};
}

Result<void> Routing::set_settings(ports::TrafficSettings settings) {
    std::vector<Cidr> trusted;
    for (const auto& text : settings.trusted_proxies) {
        auto range = Cidr::parse(text);
        if (!range) return prefixed("trusted_proxies", range.error());
        trusted.push_back(*range);
    }
    if (settings.connections_max == 0)
        return Error{Errc::invalid, "connections_max must be above 0"};
    std::shared_ptr<Live> daemon;
    if (!settings.public_host.empty()) {
        if (auto address = socket_address(settings.daemon.host, settings.daemon.port); !address)
            return prefixed("daemon", address.error());
        daemon = std::make_shared<Live>();
        daemon->release = std::make_shared<Release>("", 0);
        daemon->route.upstreams = {settings.daemon};
        daemon->targets = {std::make_shared<Target>(settings.daemon)};
    }
    trusted_ = std::move(trusted);
    settings_ = std::move(settings);
    if (daemon_) daemon_->retired = true;
    daemon_ = std::move(daemon);
    publish();
    return {};
}

std::shared_ptr<Live> Routing::make_live(ports::Route route, const std::shared_ptr<Live>& old) {
    auto live = std::make_shared<Live>();
    live->release = release_of(route.app, route.release);
    if (!route.fallback_upstreams.empty()) live->fallback = make_fallback(route);
    bool same = old && old->route.release == route.release;
    for (const auto& upstream : route.upstreams) {
        auto target = same ? same_target(old, upstream) : nullptr;
        live->targets.push_back(target ? target : std::make_shared<Target>(upstream));
    }
    live->route = std::move(route);
    return live;
}

std::shared_ptr<Live> Routing::make_fallback(const ports::Route& route) {
    auto live = std::make_shared<Live>();
    live->route = route;
    live->route.release = route.fallback;
    live->route.upstreams = route.fallback_upstreams;
    live->release = release_of(route.app, route.fallback);
    for (const auto& upstream : route.fallback_upstreams)
        live->targets.push_back(std::make_shared<Target>(upstream));
    return live;
}

std::shared_ptr<Release> Routing::release_of(const std::string& app, ReleaseNumber number) {
    auto& release = apps_[app].releases[number];
    if (!release) release = std::make_shared<Release>(app, number);
    return release;
}

void Routing::replace(App& app, const std::shared_ptr<Live>& old,
                      const std::shared_ptr<Live>& fresh) {
    old->retired = true;
    for (const auto& target : old->targets)
        if (!fresh ||
            std::find(fresh->targets.begin(), fresh->targets.end(), target) == fresh->targets.end())
            target->retire();
    if (old->fallback) old->fallback->retire();
    if (fresh) {
        auto again = std::find(app.draining.begin(), app.draining.end(), fresh->release);
        if (again != app.draining.end()) app.draining.erase(again);
        if (fresh->release == old->release) return;
    }
    begin_drain(app, old->release, old->route.drain);
}

void Routing::begin_drain(App& app, std::shared_ptr<Release> release, Millis drain) {
    std::erase_if(app.draining, [](const auto& draining) { return draining->idle(); });
    if (release->idle()) return;
    app.draining.push_back(release);
    while (app.draining.size() > kDrainingMax) {
        send_streams_away(app.draining.front());
        app.draining.pop_front();
    }
    end_streams_after(std::move(release), drain).start();
}

// Also with the daemon dead: streams of a replaced release don't live for ever.
Flow<> Routing::end_streams_after(std::shared_ptr<Release> release, Millis drain) {
    co_await Sleep(loop_, drain);
    if (!is_live(release->app, release->counters.release)) send_streams_away(release);
}

std::size_t Routing::send_streams_away(const std::shared_ptr<Release>& release) {
    auto count = release->streams.size();
    if (count > 0) end_streams(release).start();
    return count;
}

// Spread over up to two seconds, so that those who come back do not come all at once.
Flow<> Routing::end_streams(std::shared_ptr<Release> release) {
    auto count = release->streams.size();
    auto batch = count / 60 + 1;
    while (!release->streams.empty()) {
        if (is_live(release->app, release->counters.release))
            co_return;  // rolled back to it meanwhile
        for (std::size_t i = 0; i < batch && !release->streams.empty(); ++i) {
            auto* stream = release->streams.front();
            release->streams.pop_front();
            stream->go_away();
        }
        co_await Sleep(loop_, Millis{32});
    }
}

void Routing::send_streams_away_by(std::shared_ptr<const Entrance> entrance) {
    end_streams_by(std::move(entrance)).start();
}

Flow<> Routing::end_streams_by(std::shared_ptr<const Entrance> entrance) {
    std::size_t count = 0;
    for (const auto& [name, app] : apps_)
        for (const auto& [number, release] : app.releases)
            for (const auto* stream : release->streams)
                count += stream->came_by(*entrance);
    while (end_some_by(*entrance, count / 60 + 1) > 0)
        co_await Sleep(loop_, Millis{32});
}

std::size_t Routing::end_some_by(const Entrance& entrance, std::size_t most) {
    std::size_t ended = 0;
    for (auto& [name, app] : apps_)
        for (auto& [number, release] : app.releases)
            for (auto at = release->streams.begin(); at != release->streams.end();) {
                auto* stream = *at;
                if (ended == most) return ended;
                if (!stream->came_by(entrance)) {
                    ++at;
                    continue;
                }
                at = release->streams.erase(at);
                stream->go_away();
                ++ended;
            }
    return ended;
}

Millis Routing::longest_drain() const {
    Millis longest{0};
    for (const auto& [name, live] : lives_)
        longest = std::max(longest, live->route.drain);
    return longest;
}

void Routing::forget_old_releases(App& app) {
    for (auto at = app.releases.begin();
         app.releases.size() > kReleasesKept && at != app.releases.end();) {
        if (at->second.use_count() == 1)
            at = app.releases.erase(at);
        else
            ++at;
    }
}

void Routing::publish() {
    table_ = std::make_shared<const RouteTable>(lives_, settings_, daemon_);
}

bool Routing::trusts(const Address& peer) const {
    return std::any_of(trusted_.begin(), trusted_.end(),
                       [&](const Cidr& range) { return range.contains(peer); });
}

std::map<std::string, ports::Serving> Routing::serving() const {
    std::map<std::string, ports::Serving> all;
    for (const auto& [name, app] : apps_) {
        ports::Serving serving;
        serving.epoch = app.epoch;
        if (!app.removed) {
            const auto& route = lives_.at(name)->route;
            serving.release = route.release;
            serving.fallback = route.fallback;
        }
        all[name] = serving;
    }
    return all;
}

std::vector<ports::ReleaseCounters> Routing::counters(const std::string& name) const {
    std::vector<ports::ReleaseCounters> all;
    if (auto at = apps_.find(name); at != apps_.end())
        for (const auto& [number, release] : at->second.releases)
            all.push_back(release->counters);
    return all;
}

std::vector<ports::ReleaseCounters> Routing::told(const std::string& name, const App& app) const {
    std::vector<ports::ReleaseCounters> all;
    auto live = lives_.find(name);
    std::size_t newest = 0;
    for (auto at = app.releases.rbegin(); at != app.releases.rend(); ++at) {
        const auto& [number, release] = *at;
        if (release->counters.requests == 0) continue;
        const bool routed = live != lives_.end() && (live->second->route.release == number ||
                                                     live->second->route.fallback == number);
        if (routed || !release->idle() || newest < ports::kReleasesTold)
            all.push_back(release->counters);
        ++newest;
    }
    std::reverse(all.begin(), all.end());
    return all;
}

bool Routing::figures(const std::string& after, std::size_t most,
                      std::map<std::string, std::vector<ports::ReleaseCounters>>& into) const {
    for (auto at = apps_.upper_bound(after); at != apps_.end(); ++at) {
        auto counters = told(at->first, at->second);
        if (counters.empty()) continue;
        if (into.size() == most) return true;
        into.emplace(at->first, std::move(counters));
    }
    return false;
}

std::shared_ptr<Release> Routing::release(const std::string& name, ReleaseNumber number) const {
    auto app = apps_.find(name);
    if (app == apps_.end()) return nullptr;
    auto at = app->second.releases.find(number);
    return at == app->second.releases.end() ? nullptr : at->second;
}

bool Routing::is_live(const std::string& app, ReleaseNumber number) const {
    auto at = lives_.find(app);
    return at != lives_.end() && at->second->route.release == number;
}

void Routing::drop_idle() {
    for (const auto& [name, live] : lives_)
        live->drop_idle();
    if (daemon_) daemon_->drop_idle();
}

}  // namespace belay::proxy
