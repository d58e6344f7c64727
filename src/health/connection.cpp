#include "connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace belay::health {

namespace asio = boost::asio;
using asio::ip::tcp;

Connection::Connection(asio::any_io_executor loop, async::Timers& timers, Millis timeout,
                       async::Cancel cancel)
    : loop_(loop),
      timers_(timers),
      timeout_(timeout),
      deadline_(timers.steady_now() + timeout),
      cancel_(cancel),
      socket_(loop) {
    timer_ = timers_.after(timeout, [this] { give_up(timed_out_); });
    on_cancel_ = cancel_.on_request([this] { give_up(canceled_); });
}

// Closing ends whatever waits on the socket, with operation_aborted.
void Connection::give_up(bool& why) {
    if (timed_out_ || canceled_) return;
    why = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
}

namespace {

// What a lookup leaves behind when nobody waits for it any more.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& loop) : resolver(loop) {}
    tcp::resolver resolver;
    async::Event done;
    boost::system::error_code failure;
    std::vector<Endpoint> endpoints;
};

void start(const std::shared_ptr<Lookup>& lookup, const std::string& host, std::uint16_t port) {
    lookup->resolver.async_resolve(
        host, std::to_string(port),
        [lookup](boost::system::error_code failure, tcp::resolver::results_type found) {
            lookup->failure = failure;
            for (const auto& entry : found)
                lookup->endpoints.push_back(entry.endpoint());
            lookup->done.set();
        });
}

}  // namespace

Task<Result<std::vector<Endpoint>>> Connection::resolve(std::string host, std::uint16_t port) {
    std::vector<Endpoint> endpoints;
    boost::system::error_code failure;
    if (auto address = asio::ip::make_address(host, failure); !failure) {
        endpoints.emplace_back(address, port);
        // An app that listens on "localhost" may have taken either.
        if (address == asio::ip::address_v4::loopback())
            endpoints.emplace_back(asio::ip::address_v6::loopback(), port);
    } else if (host == "localhost") {
        endpoints.emplace_back(asio::ip::address_v4::loopback(), port);
        endpoints.emplace_back(asio::ip::address_v6::loopback(), port);
    } else {
        // getaddrinfo can't be interrupted: it is left to end by itself.
        auto lookup = std::make_shared<Lookup>(loop_);
        start(lookup, host, port);
        auto left = std::chrono::ceil<Millis>(deadline_ - timers_.steady_now());
        const bool found = co_await timers_.wait(lookup->done, left, cancel_);
        if (!found)
            co_return Error{Errc::timeout,
                            "looking up " + host + ": " + words(asio::error::timed_out)};
        if (lookup->failure)
            co_return Error{Errc::unavailable,
                            "looking up " + host + ": " + lookup->failure.message()};
        endpoints = lookup->endpoints;
    }
    for (const auto& endpoint : endpoints)
        if (auto allowed = check(endpoint); !allowed) co_return allowed.error();
    co_return endpoints;
}

// Cloud machines answer there with their credentials.
Result<void> Connection::check(const Endpoint& endpoint) const {
    auto address = endpoint.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    bool link_local = address.is_v6()
                          ? address.to_v6().is_link_local()
                          : (address.to_v4().to_uint() >> 16) == 0xa9fe;  // 169.254.0.0/16
    if (link_local)
        return Error{Errc::forbidden, address.to_string() + " is link-local: not probed"};
    return {};
}

Task<boost::system::error_code> Connection::connect(std::vector<Endpoint> endpoints) {
    boost::system::error_code result = asio::error::host_not_found;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (timed_out_ || canceled_) co_return asio::error::operation_aborted;
        boost::system::error_code ignored;
        socket_.close(ignored);
        auto [failure] =
            co_await socket_.async_connect(endpoints[i], asio::as_tuple(asio::use_awaitable));
        if (i == 0 || !failure) {
            used_ = endpoints[i];
            result = failure;
        }
        if (failure != asio::error::connection_refused) break;
    }
    co_return result;
}

std::string Connection::words(const boost::system::error_code& failure) const {
    if (canceled_ || cancel_.requested()) return "canceled";
    if (timed_out_ || failure == asio::error::timed_out)
        return "timed out after " + format_duration(timeout_);
    if (failure == asio::error::connection_refused) return "connection refused";
    if (failure == asio::error::connection_reset || failure == asio::error::broken_pipe)
        return "connection reset";
    return failure.message();
}

}  // namespace belay::health
