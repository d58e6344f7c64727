#include <belay/base/address.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>

namespace belay {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Address mapped(const in_addr& v4) {
    Address address;
    std::copy(kMapped.begin(), kMapped.end(), address.bytes.begin());
    std::memcpy(address.bytes.data() + 12, &v4, 4);
    return address;
}

}  // namespace

bool Address::is_v4() const {
    return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

std::string to_string(const Address& address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address.is_v4())
        ::inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof text);
    else
        ::inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
    return text;
}

Result<Address> parse_address(std::string_view text) {
    std::string copy(text);
    in_addr v4{};
    if (::inet_pton(AF_INET, copy.c_str(), &v4) == 1) return mapped(v4);
    Address address;
    if (::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
    return Error{Errc::invalid, "\"" + copy + "\" is no IP address"};
}

Result<Cidr> Cidr::parse(std::string_view text) {
    auto slash = text.find('/');
    auto address = parse_address(text.substr(0, slash));
    if (!address) return address.error();
    Cidr range;
    range.base_ = *address;
    if (slash == std::string_view::npos) return range;
    bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    auto digits = text.substr(slash + 1);
    unsigned bits = 0;
    auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (failure != std::errc{} || end != digits.data() + digits.size() || bits > (v4 ? 32u : 128u))
        return Error{Errc::invalid, "\"" + std::string(text) +
                                        "\" is no range of addresses; they look like 10.0.0.0/8"};
    range.bits_ = v4 ? bits + 96 : bits;
    return range;
}

bool Cidr::contains(const Address& address) const {
    auto whole = bits_ / 8;
    if (std::memcmp(base_.bytes.data(), address.bytes.data(), whole) != 0) return false;
    auto rest = bits_ % 8;
    if (rest == 0) return true;
    auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    return ((base_.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

Endpoint endpoint_of(const sockaddr_storage& storage) {
    Endpoint endpoint;
    if (storage.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &storage, sizeof v4);
        endpoint.address = mapped(v4.sin_addr);
        endpoint.port = ntohs(v4.sin_port);
    } else if (storage.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &storage, sizeof v6);
        std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, 16);
        endpoint.port = ntohs(v6.sin6_port);
    }
    endpoint.text = to_string(endpoint.address);
    return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
    auto host =
        endpoint.text.find(':') == std::string::npos ? endpoint.text : "[" + endpoint.text + "]";
    return host + ":" + std::to_string(endpoint.port);
}

Result<sockaddr_storage> socket_address(std::string_view host, std::uint16_t port) {
    auto address = parse_address(host);
    if (!address) return address.error();
    sockaddr_storage storage{};
    if (host.find(':') == std::string_view::npos) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, address->bytes.data() + 12, 4);
        std::memcpy(&storage, &v4, sizeof v4);
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, address->bytes.data(), 16);
        std::memcpy(&storage, &v6, sizeof v6);
    }
    return storage;
}

socklen_t length_of(const sockaddr_storage& storage) {
    return storage.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

}  // namespace belay
