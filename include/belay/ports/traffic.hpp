// The data plane as the engine sees it: one app's route at a time, switched at once, drained,
// counted.
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/error.hpp>
#include <belay/base/id.hpp>
#include <belay/base/time.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace belay::ports {

// Where an instance of a release listens; a literal address, v4 or v6 without brackets.
struct Upstream {
    std::string host;
    std::uint16_t port = 0;

    bool operator==(const Upstream&) const = default;
};

// All that the proxy knows of one app.
struct Route {
    std::string app;
    std::int64_t epoch = 0;  // per app, rising; the proxy refuses to go back
    ReleaseNumber release = 0;
    std::vector<std::string>
        hosts;  // exact, or `*.example.com` (one or more labels); none: the default app
    std::string path_prefix = "/";  // kept in what is forwarded; matches whole path segments
    std::vector<std::string>
        listen;  // "127.0.0.1:3000", "[::1]:3000", ":3000": listeners of this app alone
    std::vector<Upstream> upstreams;  // none: answered 503 with Retry-After
    // The release before, while it is kept warm: where a rollback would go. 0: there is no way
    // back.
    ReleaseNumber fallback = 0;
    // What of it still serves. A request that none of `upstreams` takes goes there, so that a
    // release that dies while it is watched costs none, with the daemon dead as well.
    std::vector<Upstream> fallback_upstreams;
    Millis drain{30'000};         // upgraded streams of a replaced release live no longer than this
    Millis upstream_idle{4'000};  // below the idle timeout of the app's server (Node's is 5 s)
    Millis response_timeout{60'000};  // until the response's header, then answered 504

    bool operator==(const Route&) const = default;
};

// How much of the daemon's own server is shown under the host of public_url.
enum class Expose { none, hooks, all };

struct TrafficSettings {
    std::vector<std::string> trusted_proxies = {"127.0.0.1/32", "::1/128"};  // CIDR
    std::string public_host;                                                 // "": none
    Expose expose = Expose::hooks;
    Upstream daemon;  // [server].listen, as the proxy reaches it
    std::uint32_t connections_max = 10'000;

    bool operator==(const TrafficSettings&) const = default;
};

// What the proxy serves of an app now. release is 0 once it is removed (its epoch stays as a
// tombstone).
struct Serving {
    std::int64_t epoch = 0;
    ReleaseNumber release = 0;
    ReleaseNumber fallback = 0;

    bool operator==(const Serving&) const = default;
};

struct TrafficHello {
    std::string version;
    std::int64_t pid = 0;
    std::string instance;  // new with every start of the proxy: counters began again
    TimePoint started_at{};
    std::map<std::string, Serving> apps;
    std::vector<std::string> listeners;  // addresses as bound: "0.0.0.0:80", "[::]:80"
    std::string warning;  // e.g. that routes.json was torn and the previous generation is served
};

// Upper bounds of the latency buckets, milliseconds; the last bucket has none.
inline constexpr std::array<std::int64_t, 12> kLatencyBounds = {1,   2,   5,   10,   25,   50,
                                                                100, 250, 500, 1000, 2500, 10000};

// Of one release of one app, since the proxy's start; never reset.
struct ReleaseCounters {
    ReleaseNumber release = 0;
    std::uint64_t requests = 0;             // begun
    std::array<std::uint64_t, 5> status{};  // answers of the app: 1xx (101) 2xx 3xx 4xx 5xx
    std::uint64_t gateway_errors = 0;       // 502, 503, 504 that the proxy had to answer itself
    std::uint64_t truncated = 0;            // answers that ended before they were whole
    // That no instance of it took and the fallback did; among the requests of both.
    std::uint64_t failed_over = 0;
    std::uint64_t connect_errors = 0;  // attempts, also those that another instance made good
    std::uint64_t resets = 0;          // the app closed before its answer was whole
    std::uint64_t timeouts = 0;        // response header or body overdue
    std::uint64_t client_aborts =
        0;  // the client left before the answer was whole; not the app's failure
    std::uint64_t in_flight = 0;       // now, upgraded streams not included
    std::uint64_t open_streams = 0;    // now: upgraded connections
    std::uint64_t latency_sum_us = 0;  // request read to last byte handed on
    std::array<std::uint64_t, kLatencyBounds.size() + 1> latency{};  // not cumulative

    // What a bake counts against the release.
    std::uint64_t failed() const { return status[4] + gateway_errors + truncated + failed_over; }
};

// What the proxy has counted since its start, and what it has open now.
struct TrafficFigures {
    TimePoint started_at{};
    std::uint64_t connections = 0;       // of clients, open now
    std::uint64_t idle_connections = 0;  // of these, between two requests
    std::uint64_t connections_max = 0;
    std::uint64_t unrouted = 0;  // requests that no app answers to
    // Of each app, newest number last: the routed release, its fallback, those that have something
    // in flight, and the newest few that had a request.
    std::map<std::string, std::vector<ReleaseCounters>> apps;
};
inline constexpr std::size_t kReleasesTold = 3;  // "the newest few"

struct Drained {
    std::uint64_t in_flight_left = 0;  // 0: all finished in time
    std::uint64_t streams_closed =
        0;  // upgraded connections that were told to go away; not failures
};

// Loop thread only. While the proxy is away a call waits for its return, up to the adapter's
// deadline, then fails with Errc::unavailable; all may be repeated without harm. Errc::invalid
// names what the proxy did not accept.
class Traffic {
  public:
    virtual ~Traffic() = default;

    virtual Task<Result<TrafficHello>> hello() = 0;

    // When it returns, no new request goes to another release of the app. Not yet on disk: sync()
    // tells. Errc::conflict: the proxy has a higher epoch, or the same one with other content;
    // serving() tells which.
    virtual Task<Result<void>> apply(Route route) = 0;
    // Leaves a tombstone with the epoch. Errc::conflict as above.
    virtual Task<Result<void>> remove(std::string app, std::int64_t epoch) = 0;
    // Returns when all that was applied before is durable. Errc::disk_full, internal: it is in
    // force, not on disk.
    virtual Task<Result<void>> sync() = 0;

    virtual Task<Result<void>> set_settings(TrafficSettings settings) = 0;

    // Hands over a duplicate of a listening socket; the caller keeps its own. The same address
    // again replaces it.
    virtual Task<Result<void>> add_listener(int fd, std::string name) = 0;
    // By address ("0.0.0.0:80"): nobody listens there any more, whoever else holds the socket. What
    // came in there is answered, then closed; upgraded connections after the apps' longest drain.
    // Errc::not_found.
    virtual Task<Result<void>> remove_listener(std::string address) = 0;

    // Waits until nothing of this release (no longer the routed one) is in flight or the timeout
    // has passed, then tells its upgraded streams to go away, spread over a second or two. Returns
    // after that.
    virtual Task<Result<Drained>> drain(std::string app, ReleaseNumber release, Millis timeout) = 0;

    // All releases of the app that had a request since the proxy's start, newest number last.
    virtual Task<Result<std::vector<ReleaseCounters>>> counters(std::string app) = 0;
    // Waits no longer than the patience for each of its questions. Errc::invalid: a proxy of an
    // earlier version, which does not tell.
    virtual Task<Result<TrafficFigures>> figures(Millis patience) = 0;
    // Errc::not_found: the proxy never heard of the app.
    virtual Task<Result<Serving>> serving(std::string app) = 0;

    // Ends the proxy: no new connections, requests in flight finish within the timeout.
    virtual Task<Result<void>> shutdown(Millis timeout) = 0;

    // Called on every connection to the proxy, the first too, before calls that waited go out:
    // whoever reserves epochs takes max(own, the proxy's) + 1 from here.
    virtual void on_connected(std::function<void(const TrafficHello&)> callback) = 0;
};

}  // namespace belay::ports
