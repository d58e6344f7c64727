// Addresses and ranges of them, v4 and v6 alike (v4 as ::ffff:a.b.c.d).
#pragma once

#include <belay/base/error.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace belay {

struct Address {
    std::array<std::uint8_t, 16> bytes{};

    bool is_v4() const;  // ::ffff:a.b.c.d
    bool operator==(const Address&) const = default;
};

class Cidr {
  public:
    // "10.0.0.0/8", "fd00::/8", or a single address. Errc::invalid quotes the text.
    static Result<Cidr> parse(std::string_view text);
    bool contains(const Address& address) const;

  private:
    Address base_;
    unsigned bits_ = 128;
};

Result<Address> parse_address(std::string_view text);
// A mapped v4 address as v4.
std::string to_string(const Address& address);

// A peer or local end of a TCP connection, as text once and for all.
struct Endpoint {
    Address address;
    std::uint16_t port = 0;
    std::string text;  // without port; a mapped v4 address as v4
};
Endpoint endpoint_of(const sockaddr_storage& storage);
// "127.0.0.1:80", "[::1]:80"
std::string to_string(const Endpoint& endpoint);
// For connect(2): a literal address. Errc::invalid quotes it.
Result<sockaddr_storage> socket_address(std::string_view host, std::uint16_t port);
socklen_t length_of(const sockaddr_storage& storage);

}  // namespace belay
