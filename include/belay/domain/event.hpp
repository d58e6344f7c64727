// What `GET /api/v1/events` streams and what `belay why` reads: every state change, in order.
#pragma once

#include <belay/base/id.hpp>
#include <belay/base/time.hpp>

#include <cstdint>
#include <string>

namespace belay::domain {

struct EventRecord {
    std::int64_t id = 0;  // autoincrement, the SSE id
    TimePoint at{};
    std::string type;  // "deployment", "app", "delivery", "run", "config", "server"
    std::string app;
    DeploymentId deployment;  // 0: none
    std::string text;         // one line for a person
    std::string state;        // the new state's name, where there is one
    std::string data;         // further facts as a JSON object, or empty

    bool operator==(const EventRecord&) const = default;
};

}  // namespace belay::domain
