#include "address.hpp"
#include "connection.hpp"
#include "exchange.hpp"
#include "exec_probes.hpp"
#include "judgement.hpp"

#include <belay/health/prober.hpp>

#include <charconv>

namespace belay::health {
namespace {

// The status as it fell short, with where a redirect leads: it is judged, not followed.
std::string complaint_about_status(const Answer& answer) {
    auto text = "status " + std::to_string(answer.status);
    if (!answer.location.empty()) text += " to " + printable(answer.location, kShownBytes);
    return text;
}

Request request_of(const ports::ProbeTarget& target, const Address& address) {
    Request request;
    request.method = target.health.method;
    request.path = address.path;
    request.host = target.health.url.empty() && !target.host_header.empty() ? target.host_header
                                                                            : address.authority();
    request.headers.emplace_back("X-Forwarded-Proto", "http");
    for (const auto& header : target.headers)
        request.headers.push_back(header);
    for (const auto& header : target.health.headers)
        request.headers.emplace_back(header);
    return request;
}

class EveryProber : public ports::Prober {
  public:
    EveryProber(boost::asio::any_io_executor loop, async::Timers& timers, std::string shim)
        : loop_(loop), timers_(timers), commands_(loop, timers, std::move(shim)) {}

    Task<domain::Probe> probe(ports::ProbeTarget target, async::Cancel cancel) override {
        domain::Probe result;
        result.at = timers_.now();
        auto started = timers_.steady_now();
        const auto& type = target.health.type;
        if (type == "http" || type == "tcp")
            co_await probe_network(target, cancel, result);
        else if (type == "exec")
            co_await commands_.probe(target, cancel, result);
        else
            result.error = "health.type \"" + type + "\" has nothing to probe";
        result.latency_ms = std::chrono::floor<Millis>(timers_.steady_now() - started).count();
        co_return result;
    }

    Task<Result<ReleaseNumber>> through_proxy(ports::ProbeTarget target,
                                              std::string nonce) override;

  private:
    Task<void> probe_network(const ports::ProbeTarget& target, async::Cancel cancel,
                             domain::Probe& result);
    Task<void> probe_http(Connection& connection, const ports::ProbeTarget& target, Address address,
                          domain::Probe& result);

    boost::asio::any_io_executor loop_;
    async::Timers& timers_;
    ExecProbes commands_;
};

Task<void> EveryProber::probe_network(const ports::ProbeTarget& target, async::Cancel cancel,
                                      domain::Probe& result) {
    bool is_http = target.health.type == "http";
    auto address = address_of(target);
    if (!address) {
        result.target = target.health.url;
        result.error = address.error().message;
        co_return;
    }
    auto path = is_http ? address->path : std::string();
    result.target = target.health.type + "://" + address->authority() + path;
    Connection connection(loop_, timers_, target.health.timeout, cancel);
    auto endpoints = co_await connection.resolve(address->host, address->port);
    if (!endpoints) {
        result.error = endpoints.error().message;
        co_return;
    }
    auto failure = co_await connection.connect(*endpoints);
    result.family = connection.used().address().is_v6() ? "ipv6" : "ipv4";
    if (failure) {
        result.error = connection.words(failure);
        result.refused = failure == boost::asio::error::connection_refused;
        co_return;
    }
    if (is_http) co_await probe_http(connection, target, *address, result);
}

Task<void> EveryProber::probe_http(Connection& connection, const ports::ProbeTarget& target,
                                   Address address, domain::Probe& result) {
    const auto& health = target.health;
    auto wanted = health.expect_body.empty() ? kShownBytes : kBodyBytes;
    auto request = request_of(target, address);
    auto answer = co_await exchange(connection, request, wanted);
    result.status = answer.status;
    result.body = printable(answer.body, kShownBytes);
    if (answer.status != 0 && !expects(health.expect_status, answer.status))
        result.error = complaint_about_status(answer);
    else if (!answer.error.empty())
        result.error = answer.error;
    else
        result.error = complaint_about_body(health.expect_body, answer.body);
}

Task<Result<ReleaseNumber>> EveryProber::through_proxy(ports::ProbeTarget target,
                                                       std::string nonce) {
    target.health.url.clear();  // it is the route that is asked for, not the app
    auto address = *address_of(target);
    Connection connection(loop_, timers_, target.health.timeout, async::Cancel());
    auto endpoints = co_await connection.resolve(address.host, address.port);
    if (!endpoints) co_return endpoints.error();
    auto place = "the proxy at " + address.authority() + ": ";
    auto failure = co_await connection.connect(*endpoints);
    if (failure) co_return Error{Errc::unavailable, place + connection.words(failure)};
    auto request = request_of(target, address);
    request.method = "GET";
    request.headers.emplace_back(kNonceHeader, nonce);
    auto answer = co_await exchange(connection, request, 0);
    if (!answer.error.empty()) co_return Error{Errc::unavailable, place + answer.error};
    ReleaseNumber number = 0;
    const auto& text = answer.release;
    auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (bad != std::errc() || end != text.data() + text.size() || number <= 0)
        co_return Error{Errc::conflict,
                        place + "status " + std::to_string(answer.status) + " from no release"};
    co_return number;
}

}  // namespace

std::unique_ptr<ports::Prober> make_prober(boost::asio::any_io_executor loop, async::Timers& timers,
                                           std::string shim) {
    return std::make_unique<EveryProber>(loop, timers, std::move(shim));
}

}  // namespace belay::health
