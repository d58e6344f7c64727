// ports::Traffic over the proxy's control socket, connecting again whenever the proxy comes back.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/ports/traffic.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace belay::proxy {

struct ControlClientOptions {
    std::string socket;  // ProxyOptions::control
    Millis call_timeout{
        10'000};  // from the call to its answer, waiting for the proxy included; drain adds its own
    Millis retry_interval{
        50};  // between attempts to connect; doubles up to 1 s while the proxy is away
};

class ControlClient final : public ports::Traffic {
  public:
    // The executor is the loop's; `timers` must outlive the client.
    ControlClient(boost::asio::any_io_executor executor, async::Timers& timers,
                  ControlClientOptions options);
    ~ControlClient() override;  // after stop()

    // Begins to connect. Call on_connected() before.
    void start();
    // Fails the calls that wait with Errc::canceled, and returns when nothing of the client runs.
    Task<void> stop();
    bool connected() const;
    // Of the proxy that we are connected to; 0: none.
    int proxy_pid() const;

    Task<Result<ports::TrafficHello>> hello() override;
    Task<Result<void>> apply(ports::Route route) override;
    Task<Result<void>> remove(std::string app, std::int64_t epoch) override;
    Task<Result<void>> sync() override;
    Task<Result<void>> set_settings(ports::TrafficSettings settings) override;
    Task<Result<void>> add_listener(int fd, std::string name) override;
    Task<Result<void>> remove_listener(std::string address) override;
    Task<Result<ports::Drained>> drain(std::string app, ReleaseNumber release,
                                       Millis timeout) override;
    Task<Result<std::vector<ports::ReleaseCounters>>> counters(std::string app) override;
    Task<Result<ports::TrafficFigures>> figures(Millis patience) override;
    Task<Result<ports::Serving>> serving(std::string app) override;
    Task<Result<void>> shutdown(Millis timeout) override;
    void on_connected(std::function<void(const ports::TrafficHello&)> callback) override;

  private:
    struct Connection;
    std::unique_ptr<Connection> connection_;
};

}  // namespace belay::proxy
