// One client's connection: request after request, until either side has enough.
#pragma once

#include "buffer.hpp"
#include "entrance.hpp"
#include "exchange.hpp"
#include "flow.hpp"
#include "http_head.hpp"
#include "plane.hpp"
#include "stream.hpp"

#include <belay/base/address.hpp>

#include <list>
#include <memory>
#include <optional>
#include <string>

namespace belay::proxy {

class Session {
  public:
    // `entrance`: the address that the client connected to, as routes name it.
    Session(Plane& plane, Fd socket, Endpoint peer, std::shared_ptr<const Entrance> entrance);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Adds a session to the plane and lets it run; it takes itself out at its end.
    static void start(Plane& plane, Fd socket, Endpoint peer,
                      std::shared_ptr<const Entrance> entrance);

    const Entrance& entrance() const { return *entrance_; }
    // Ends it if it waits for a next request.
    void end_if_idle();
    // Ends it, whatever it does.
    void cancel() { client_.cancel(); }

  private:
    Flow<> run();
    Flow<bool> next_request();
    Flow<bool> wait_for_bytes();
    Flow<bool> read_head();
    Flow<After> serve();
    Flow<After> refuse(BadHead bad);
    Flow<> linger();

    Plane& plane_;
    Endpoint peer_;
    std::shared_ptr<const Entrance> entrance_;
    Stream client_;
    Buffer in_;
    RequestHead head_;
    std::size_t head_size_ = 0;
    bool first_ = true;
    std::string listener_name_;
    std::list<std::unique_ptr<Session>>::iterator place_;
    std::optional<std::list<Session*>::iterator> idle_place_;
};

}  // namespace belay::proxy
