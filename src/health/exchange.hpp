// One request and its answer, as far as it is wanted.
#pragma once

#include "connection.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace belay::health {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
    std::string method = "GET";
    std::string path = "/";
    std::string host;
    Headers headers;  // a later one of the same name replaces an earlier, `host` too
};

struct Answer {
    int status = 0;     // 0: none came
    std::string error;  // of the exchange, not of the status; may come after the status
    std::string location;
    std::string release;  // of the proxy's header
    std::string body;
};

// Over the connected socket; reads `body_bytes` of the body at most and then no further.
Task<Answer> exchange(Connection& connection, Request request, std::size_t body_bytes);

}  // namespace belay::health
