// What the data plane's parts share: the loop, the routes, the open connections, and whether it is
// leaving.
#pragma once

#include "buffer.hpp"
#include "loop.hpp"
#include "nonce.hpp"
#include "routing.hpp"

#include <belay/proxy/run.hpp>

#include <cstdint>
#include <list>
#include <memory>

namespace belay::proxy {

class Session;

// Of a door that closes, for requests that are on their way on kept-alive connections.
inline constexpr Millis kIdleGrace{1'000};

struct Plane {
    explicit Plane(ProxyOptions given);
    ~Plane();

    ProxyOptions options;
    Loop loop;
    BlockPool blocks;
    Routing routing;
    Nonce nonce;
    std::uint64_t unrouted = 0;  // requests that no app answers to
    bool leaving = false;  // the proxy stops: what is answered now is the last on its connection

    std::list<std::unique_ptr<Session>> sessions;
    std::list<Session*> idle;  // between two requests, longest first
    std::size_t connections_max() const;
    // Descriptors the process may have; asked once.
    std::size_t descriptors = 1024;
    Millis keep_alive_timeout() const;
    // Makes room when descriptors or connections run out: what is idle goes, the longest idle
    // first.
    void relieve();
};

}  // namespace belay::proxy
