// The routes in force, how they change (by epoch), and what a replaced release still has to finish.
#pragma once

#include "loop.hpp"
#include "release.hpp"
#include "route_table.hpp"

#include <belay/base/address.hpp>
#include <belay/ports/traffic.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace belay::proxy {

// As it lies on disk.
struct RoutingState {
    ports::TrafficSettings settings;
    std::vector<ports::Route> routes;
    std::map<std::string, std::int64_t> tombstones;  // app: epoch
};

// Loop thread only.
class Routing {
  public:
    explicit Routing(Loop& loop);

    void restore(const RoutingState& state);
    RoutingState state() const;

    // In force on return. Errc::conflict: an older epoch, or the same with other content;
    // Errc::invalid.
    Result<void> apply(ports::Route route);
    Result<void> remove(const std::string& app, std::int64_t epoch);
    Result<void> set_settings(ports::TrafficSettings settings);

    const ports::TrafficSettings& settings() const { return settings_; }
    const RouteTable& table() const { return *table_; }
    bool trusts(const Address& peer) const;

    std::map<std::string, ports::Serving> serving() const;
    std::vector<ports::ReleaseCounters> counters(const std::string& app) const;
    // What is to be told of `most` apps whose names come behind `after`, as TrafficFigures says;
    // apps without a request are passed over. True: there are more.
    bool figures(const std::string& after, std::size_t most,
                 std::map<std::string, std::vector<ports::ReleaseCounters>>& into) const;
    // Null: never seen, or long gone.
    std::shared_ptr<Release> release(const std::string& app, ReleaseNumber number) const;
    bool is_live(const std::string& app, ReleaseNumber number) const;

    // Tells the upgraded connections of the release to go, spread over a window; returns their
    // number at once.
    std::size_t send_streams_away(const std::shared_ptr<Release>& release);
    // The same of all that came in by an entrance, whatever their release.
    void send_streams_away_by(std::shared_ptr<const Entrance> entrance);
    // The longest that any app gives its upgraded connections.
    Millis longest_drain() const;
    // Closes idle upstream connections everywhere: descriptors are short.
    void drop_idle();

  private:
    struct App {
        std::int64_t epoch = 0;
        bool removed = false;
        std::map<ReleaseNumber, std::shared_ptr<Release>> releases;
        std::deque<std::shared_ptr<Release>> draining;  // oldest first
    };

    static constexpr std::size_t kDrainingMax = 2;
    static constexpr std::size_t kReleasesKept = 16;

    Result<void> check_epoch(const std::string& app, std::int64_t epoch,
                             const ports::Route* route) const;
    std::shared_ptr<Live> make_live(ports::Route route, const std::shared_ptr<Live>& old);
    std::shared_ptr<Live> make_fallback(const ports::Route& route);
    std::shared_ptr<Release> release_of(const std::string& app, ReleaseNumber number);
    void replace(App& app, const std::shared_ptr<Live>& old, const std::shared_ptr<Live>& fresh);
    void begin_drain(App& app, std::shared_ptr<Release> release, Millis drain);
    void forget_old_releases(App& app);
    std::vector<ports::ReleaseCounters> told(const std::string& name, const App& app) const;
    void publish();
    Flow<> end_streams_after(std::shared_ptr<Release> release, Millis drain);
    Flow<> end_streams(std::shared_ptr<Release> release);
    Flow<> end_streams_by(std::shared_ptr<const Entrance> entrance);
    std::size_t end_some_by(const Entrance& entrance, std::size_t most);

    Loop& loop_;
    std::map<std::string, App> apps_;
    RouteTable::Lives lives_;
    ports::TrafficSettings settings_;
    std::vector<Cidr> trusted_;
    std::shared_ptr<Live> daemon_;
    std::shared_ptr<const RouteTable> table_;
};

// Errc::invalid names the field.
Result<void> check_route(const ports::Route& route);

}  // namespace belay::proxy
