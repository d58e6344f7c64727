// Looks at all parts of the daemon at once, for /metrics. Nothing is looked at while nobody asks.
#pragma once

#include "database_care.hpp"

#include <belay/engine/engine.hpp>
#include <belay/http/server.hpp>
#include <belay/metrics/facts.hpp>
#include <belay/notify/notifier.hpp>
#include <belay/proxy/control_client.hpp>

#include <string>

namespace belay::app {

// What is looked at; all of it outlives the look.
struct Measured {
    engine::Engine& engine;
    proxy::ControlClient& traffic;
    const notify::Notifier& notifier;
    const DatabaseCare& database;
    const http::Server& server;
    std::string state;
    std::uint64_t disk_reserve = 0;
    std::string certificate;  // [server] tls
};

// Loop thread only. Waits for nobody but the proxy, and for it a second at most.
Task<metrics::Facts> look_at(Measured measured);

}  // namespace belay::app
