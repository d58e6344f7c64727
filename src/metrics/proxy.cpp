// The data plane, as it counts for itself: its counters go on over a restart of the daemon.
#include "families.hpp"

#include <algorithm>
#include <array>

namespace belay::metrics {
namespace {

using ports::ReleaseCounters;

constexpr std::array<const char*, 5> kClasses{"1xx", "2xx", "3xx", "4xx", "5xx"};

constexpr auto kBounds = [] {
    std::array<double, ports::kLatencyBounds.size()> seconds{};
    for (std::size_t i = 0; i < seconds.size(); ++i)
        seconds[i] = static_cast<double>(ports::kLatencyBounds[i]) / 1'000;
    return seconds;
}();

Histogram latency_of(const ReleaseCounters& counters) {
    Histogram latency(kBounds);
    std::copy(counters.latency.begin(), counters.latency.end(), latency.counts.begin());
    latency.sum = static_cast<double>(counters.latency_sum_us) / 1e6;
    return latency;
}

bool is_app(const Facts& facts, const std::string& name) {
    return std::any_of(facts.apps.begin(), facts.apps.end(),
                       [&](const auto& app) { return app.name == name; });
}

// One release of one app after the other.
template <class Fill>
auto each(const Facts& facts, Fill fill) {
    return [&facts, fill](Family& family) {
        if (!facts.proxy) return;
        for (const auto& [app, releases] : facts.proxy->apps) {
            if (!is_app(facts, app)) continue;
            for (const auto& counters : releases)
                fill(family, counters,
                     Labels{{"app", app}, {"release", std::to_string(counters.release)}});
        }
    };
}

Labels with(Labels labels, const char* name, std::string value) {
    labels.push_back({name, std::move(value)});
    return labels;
}

void write_requests(Page& page, const Facts& facts) {
    page.counter("belay_proxy_requests_total",
                 "Requests that were answered, by the class of the status and by who answered.",
                 each(facts, [](Family& family, const ReleaseCounters& counters, Labels labels) {
                     auto by_app = with(labels, "by", "app");
                     for (std::size_t i = 0; i < kClasses.size(); ++i)
                         family.add(with(by_app, "code", kClasses[i]), counters.status[i]);
                     family.add(with(with(std::move(labels), "by", "proxy"), "code", "5xx"),
                                counters.gateway_errors);
                 }));
    page.histogram("belay_proxy_request_duration_seconds",
                   "From a request that was read to the last byte of its answer handed on.",
                   each(facts, [](Family& family, const ReleaseCounters& counters, Labels labels) {
                       family.add(std::move(labels), latency_of(counters));
                   }));
    page.gauge("belay_proxy_requests_in_flight", "Requests being answered, without streams.",
               each(facts, [](Family& family, const ReleaseCounters& counters, Labels labels) {
                   family.add(std::move(labels), counters.in_flight);
               }));
    page.gauge("belay_proxy_streams", "Upgraded connections (WebSocket), open now.",
               each(facts, [](Family& family, const ReleaseCounters& counters, Labels labels) {
                   family.add(std::move(labels), counters.open_streams);
               }));
    page.counter("belay_proxy_upstream_errors_total",
                 "Trouble with an app's processes: one took no connection; none did, and the "
                 "release before answered; one closed before its answer was whole, or was late; "
                 "and answers that were cut for it.",
                 each(facts, [](Family& family, const ReleaseCounters& counters, Labels labels) {
                     family.add(with(labels, "kind", "connect"), counters.connect_errors);
                     family.add(with(labels, "kind", "failed_over"), counters.failed_over);
                     family.add(with(labels, "kind", "reset"), counters.resets);
                     family.add(with(labels, "kind", "timeout"), counters.timeouts);
                     family.add(with(std::move(labels), "kind", "truncated"), counters.truncated);
                 }));
    page.counter("belay_proxy_client_aborts_total",
                 "Requests whose client left before the answer was whole.",
                 each(facts, [](Family& family, const ReleaseCounters& counters, Labels labels) {
                     family.add(std::move(labels), counters.client_aborts);
                 }));
}

}  // namespace

void write_proxy(Page& page, const Facts& facts) {
    page.gauge_of("belay_proxy_up", "1 where the daemon is connected to the proxy.",
                  facts.proxy_up);
    // Of a proxy that does not tell there is nothing to be said, not even 0.
    auto told = [&](auto of) {
        return [&facts, of](Family& family) {
            if (facts.proxy) family.add({}, of(*facts.proxy));
        };
    };
    using ports::TrafficFigures;
    page.gauge("belay_proxy_start_timestamp_seconds",
               "When the proxy was started; its counters began then.",
               told([](const TrafficFigures& proxy) { return proxy.started_at; }));
    page.gauge("belay_proxy_connections", "Connections of clients, open now.",
               told([](const TrafficFigures& proxy) { return proxy.connections; }));
    page.gauge("belay_proxy_idle_connections", "Of these, those between two requests.",
               told([](const TrafficFigures& proxy) { return proxy.idle_connections; }));
    page.gauge("belay_proxy_connections_max", "So many connections are taken at once.",
               told([](const TrafficFigures& proxy) { return proxy.connections_max; }));
    page.counter("belay_proxy_unrouted_requests_total",
                 "Requests to a name or path that no app answers to (404).",
                 told([](const TrafficFigures& proxy) { return proxy.unrouted; }));
    write_requests(page, facts);
}

}  // namespace belay::metrics
