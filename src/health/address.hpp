// Where a probe goes.
#pragma once

#include <belay/base/error.hpp>
#include <belay/ports/health.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace belay::health {

struct Address {
    std::string host;  // a name, or an address without brackets
    std::uint16_t port = 0;
    std::string path = "/";  // with the query

    // "127.0.0.1:80", "[::1]:80"
    std::string authority() const;
};

// http://HOST[:PORT][/PATH]. Errc::invalid says what is wrong.
Result<Address> parse_url(std::string_view url);

// The target's own, or that of health.url.
Result<Address> address_of(const ports::ProbeTarget& target);

}  // namespace belay::health
