// The sockets that clients connect to. The shim holds them too, so they outlive this process.
#pragma once

#include "fd.hpp"
#include "loop.hpp"
#include "plane.hpp"

#include <belay/base/address.hpp>
#include <belay/base/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace belay::proxy {

class Listener final : Watcher, Timer {
  public:
    Listener(Plane& plane, Fd socket, Endpoint address);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() override;

    std::string address() const { return to_string(*address_); }

  private:
    void on_events(std::uint32_t events) override;
    void on_expired() override;
    void pause();
    bool accept_one();

    Plane& plane_;
    Fd socket_;
    std::shared_ptr<const Endpoint> address_;
};

class Listeners {
  public:
    explicit Listeners(Plane& plane) : plane_(plane) {}

    // Those of LISTEN_FDS, if LISTEN_PID is ours or absent (sd_listen_fds(3)); what is no listening
    // TCP socket is named in the log and closed.
    void adopt_from_environment();
    // The address, as bound. Replaces the one there is for it. Errc::invalid: no listening TCP
    // socket.
    Result<std::string> add(Fd socket);
    bool remove(const std::string& address);
    void clear() { all_.clear(); }
    std::vector<std::string> addresses() const;

  private:
    Plane& plane_;
    std::vector<std::unique_ptr<Listener>> all_;
};

}  // namespace belay::proxy
