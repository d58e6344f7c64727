#include "address.hpp"

#include <arpa/inet.h>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>

namespace belay::outbound {
namespace {

bool refused_v4(const std::uint8_t* bytes) {
    return bytes[0] == 169 && bytes[1] == 254;
}

bool refused_v6(const in6_addr& address) {
    const auto* bytes = address.s6_addr;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return true;
    constexpr std::uint8_t kMetadata[16] = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0,
                                            0,    0, 0,    0,    0, 0, 2, 0x54};
    if (std::memcmp(bytes, kMetadata, sizeof kMetadata) == 0) return true;
    // An IPv4 address in disguise: mapped, compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052 §2.1).
    constexpr std::uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b};
    if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address) ||
        std::memcmp(bytes, kNat64, sizeof kNat64) == 0)
        return refused_v4(bytes + 12);
    return false;
}

// Without brackets and zone.
std::string bare(std::string host) {
    if (host.starts_with('[')) host.erase(0, 1);
    return host.substr(0, host.find_first_of("]%"));
}

}  // namespace

bool is_refused(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::uint8_t bytes[4];
        std::memcpy(bytes, &v4.sin_addr, sizeof bytes);
        return refused_v4(bytes);
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        return refused_v6(v6.sin6_addr);
    }
    return false;
}

bool is_refused_literal(const std::string& host) {
    const auto text = bare(host);
    std::uint8_t v4[4];
    if (::inet_pton(AF_INET, text.c_str(), v4) == 1) return refused_v4(v4);
    in6_addr v6{};
    return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && refused_v6(v6);
}

bool is_loopback(const std::string& host) {
    const auto text = bare(host);
    if (text == "localhost") return true;
    std::uint8_t v4[4];
    if (::inet_pton(AF_INET, text.c_str(), v4) == 1) return v4[0] == 127;
    in6_addr v6{};
    return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace belay::outbound
