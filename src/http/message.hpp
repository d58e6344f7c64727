// A request as handlers see it, and what they answer.
#pragma once

#include "peer.hpp"
#include "target.hpp"

#include <belay/base/address.hpp>
#include <belay/ports/forge.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// In whose name a request is made: a token's, where one is presented, else the local user's.
struct Caller {
    Role role = Role::none;
    std::int64_t token = 0;  // its id; 0: none
    std::string name;        // "token ci", "ann"; of local users only where something is acted
};

struct Request {
    ports::HookRequest raw;  // as it came; `body` only where a handler was given one
    Target target;
    Peer peer;
    Caller caller;
    Address client;                 // whose it is: the peer, or who stands behind trusted proxies
    bool authenticated = false;     // it was signed, or brought a token
    bool in_the_clear = false;      // others could read what was sent: see came_in_the_clear()
    std::vector<std::string> args;  // what the route's {app}, {id} and so on stand for, in order

    std::string_view header(std::string_view name) const { return raw.header(name); }
    // Where it comes from, for the record: the client's address, or "socket".
    std::string origin() const { return peer.local ? "socket" : to_string(client); }
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    Headers headers;
    bool close = false;  // the connection ends with it
};

std::string_view reason_phrase(int status);

// RFC 9457: {"type", "title", "status", "detail", "code"}. `code` is the name of the Errc.
Response problem(int status, std::string_view code, std::string_view detail);
// The one place where an Errc becomes a status. What is internal goes to the log, not to the
// client.
Response problem(const Error& error);

// 429 with Retry-After.
Response wait_first(Seconds wait);

// Header lines and the empty line after them. `length` none: chunked.
std::string response_head(const Response& response, std::optional<std::size_t> length,
                          bool keep_alive, int version);

}  // namespace belay::http
