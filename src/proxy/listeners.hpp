// The sockets that clients connect to. The shim holds them too, so they outlive this process.
#pragma once

#include "entrance.hpp"
#include "fd.hpp"
#include "flow.hpp"
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

    std::string address() const { return to_string(entrance_->address); }
    int socket() const { return socket_.get(); }
    // Lets in who waits in the queue, then ends listening in all processes that hold the socket.
    std::shared_ptr<const Entrance> close();

  private:
    void on_events(std::uint32_t events) override;
    void on_expired() override;
    void pause();
    bool accept_one();

    Plane& plane_;
    Fd socket_;
    std::shared_ptr<Entrance> entrance_;
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
    // For good, in the shim too. What came in there is answered once more, then closed; idle
    // connections have a second, upgraded ones until `drain` has passed. False: there is none.
    bool close(const std::string& address, Millis drain);
    void clear() { all_.clear(); }
    std::vector<std::string> addresses() const;
    // Remain ours.
    std::vector<int> sockets() const;

  private:
    Flow<> drain(std::shared_ptr<const Entrance> entrance, Millis time);
    std::vector<std::unique_ptr<Listener>>::iterator find(const std::string& address);

    Plane& plane_;
    std::vector<std::unique_ptr<Listener>> all_;
};

}  // namespace belay::proxy
