// One connection's requests, one after the other.
#pragma once

#include "connection.hpp"
#include "guard.hpp"
#include "hook_endpoint.hpp"
#include "limits.hpp"
#include "routes.hpp"

#include <belay/async/task_group.hpp>

#include <cstdint>
#include <map>

namespace belay::http {

// What all sessions share; lives as long as the server.
struct Shared {
    Context context;
    HookEndpoint& hooks;
    Guard& guard;
    async::TaskGroup& tasks;
    Limits& limits;
    TlsFiles& tls;
    const std::vector<Cidr>& trusted_proxies;
    boost::asio::thread_pool& handshakes;
    std::map<int, std::uint64_t> refused_hooks{};  // by status
    bool stopping = false;
};

// Returns when the connection is done with; it is closed then.
Task<void> serve(Shared& shared, std::shared_ptr<Connection> connection);

}  // namespace belay::http
