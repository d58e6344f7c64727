// One connection whose every wait ends: by success, by the probe's deadline, or because it was
// canceled.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/timers.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <string>
#include <vector>

namespace belay::health {

using Endpoint = boost::asio::ip::tcp::endpoint;

class Connection {
  public:
    Connection(boost::asio::any_io_executor loop, async::Timers& timers, Millis timeout,
               async::Cancel cancel);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // The endpoints of a host, in the order to be tried. An error in words where there are none.
    Task<Result<std::vector<Endpoint>>> resolve(std::string host, std::uint16_t port);
    // Tries the next endpoint only where one refuses; `used` is the one that answered, or the
    // first.
    Task<boost::system::error_code> connect(std::vector<Endpoint> endpoints);

    boost::asio::ip::tcp::socket& socket() { return socket_; }
    const Endpoint& used() const { return used_; }
    // The failure as a person should read it: "connection refused", "timed out after 5s".
    std::string words(const boost::system::error_code& failure) const;

  private:
    void give_up(bool& why);
    Result<void> check(const Endpoint& endpoint) const;

    boost::asio::any_io_executor loop_;
    async::Timers& timers_;
    Millis timeout_;
    async::SteadyTime deadline_;
    async::Cancel cancel_;
    boost::asio::ip::tcp::socket socket_;
    Endpoint used_;
    bool timed_out_ = false;
    bool canceled_ = false;
    async::Subscription timer_;
    async::Subscription on_cancel_;
};

}  // namespace belay::health
