// How a head changes on its way through: what is for one hop goes, where it came from is added.
#pragma once

#include "http_head.hpp"

#include <string>
#include <string_view>

namespace belay::proxy {

// Where a request came from.
struct Origin {
    std::string_view peer;   // address of the other end
    bool trusted = false;    // one of trusted_proxies: what it says of its own client holds
    std::uint16_t port = 0;  // that the client connected to
    std::string_view proto = "http";
};

// The head to send to the app, always HTTP/1.1. `upgrade`: ask for the protocol that the client
// asks for.
std::string forwarded_request(const RequestHead& head, const Origin& origin, bool upgrade);

// What the answer's head needs besides the app's own.
struct Answering {
    enum class Coding {
        same,
        chunked,
        plain
    };  // chunked: of a body without length; plain: the coding is taken off
    Coding coding = Coding::same;
    int client_minor = 1;
    bool keep_alive = true;
    bool upgrade = false;      // 101: Connection and Upgrade pass
    std::string_view release;  // shown as X-Belay-Release where the nonce was right
};

std::string forwarded_response(const ResponseHead& head, const Answering& answering);

}  // namespace belay::proxy
