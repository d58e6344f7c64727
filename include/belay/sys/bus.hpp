// The system's message bus (D-Bus) on the loop: calls that wait, signals that call back. Units and
// the like are what is said over it (sys/units.hpp).
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/error.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

struct sd_bus_message;  // <systemd/sd-bus.h>, which only sources include

namespace belay::sys {

struct BusMessageRelease {
    void operator()(sd_bus_message* message) const;
};
// Read with sd_bus_message_read(3).
using BusMessage = std::unique_ptr<sd_bus_message, BusMessageRelease>;

struct BusMethod {
    std::string destination;  // "org.freedesktop.systemd1"
    std::string path;
    std::string interface;
    std::string member;
    Millis timeout{30'000};  // until the answer
};

// What a match lets through; empty: anything.
struct BusMatch {
    std::string sender;
    std::string path;
    std::string interface;
    std::string member;
};

// Loop thread only. Connects when it is first needed, and again after the bus was restarted: at the
// next call, or by itself while somebody listens to signals.
class Bus {
  public:
    // Appends the arguments; negative errno as sd_bus_message_append(3) has it.
    using Write = std::function<int(sd_bus_message*)>;
    using OnSignal = std::function<void(sd_bus_message*)>;

    // `address` as in the D-Bus specification; empty: DBUS_SYSTEM_BUS_ADDRESS, or the system's bus.
    Bus(boost::asio::any_io_executor executor, async::Timers& timers, std::string address = {});
    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;
    // Calls under way end as unavailable.
    ~Bus();

    // Errc::unavailable: no bus, or nobody of that name on it, or it went away before it answered;
    // Errc::timeout; Errc::forbidden: not without rights (nobody is asked for a password); else as
    // the name of the error tells, and with it in brackets. A call that was not answered may have
    // been obeyed.
    Task<Result<BusMessage>> call(BusMethod method, Write write = {});
    // Of a property whose type is a string ("s", "o"): org.freedesktop.DBus.Properties.
    Task<Result<std::string>> property(std::string destination, std::string path,
                                       std::string interface, std::string name);

    // For every signal that matches, over all connections to come. The callback may end it.
    [[nodiscard]] async::Subscription on_signal(BusMatch match, OnSignal callback);
    // Whenever a connection stands, from the next one on: what was missed meanwhile is to be asked
    // for.
    [[nodiscard]] async::Subscription on_connected(std::function<void()> callback);
    bool connected() const;

  private:
    class Link;
    std::shared_ptr<Link> link_;
};

}  // namespace belay::sys
