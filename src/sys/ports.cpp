#include <belay/sys/ports.hpp>
#include <belay/sys/unique_fd.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <netinet/in.h>
#include <sys/socket.h>

namespace belay::sys {

namespace {

// SO_REUSEADDR, so that connections in TIME_WAIT don't count; a listener does, on whatever address.
bool can_listen(int family, const sockaddr* address, socklen_t length) {
    UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return errno == EAFNOSUPPORT;
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(fd.get(), address, length) != 0)
        return errno == EADDRNOTAVAIL;  // v6 is switched off
    return ::listen(fd.get(), 1) == 0;
}

}  // namespace

Result<PortRange> parse_port_range(std::string_view text) {
    Error wrong{Errc::invalid,
                fmt::format("\"{}\" is no range of ports: write FIRST-LAST, as 20000-29999", text)};
    auto dash = text.find('-');
    if (dash == std::string_view::npos) return wrong;
    PortRange range;
    auto parse = [](std::string_view part, std::uint16_t& port) {
        auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), port);
        return failure == std::errc() && end == part.data() + part.size() && port != 0;
    };
    if (!parse(text.substr(0, dash), range.first) || !parse(text.substr(dash + 1), range.last) ||
        range.last < range.first)
        return wrong;
    return range;
}

bool port_is_free(std::uint16_t port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return can_listen(AF_INET, reinterpret_cast<const sockaddr*>(&v4), sizeof v4) &&
           can_listen(AF_INET6, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

Result<std::uint16_t> PortPool::allot(std::uint16_t preferred) {
    auto take = [this](std::uint16_t port) {
        if (held_.contains(port) || !port_is_free(port)) return false;
        held_.insert(port);
        return true;
    };
    if (preferred != 0 && take(preferred)) return preferred;
    // Onwards from the last one, so that a port rests before it is used again.
    for (std::uint32_t tries = std::uint32_t{range_.last} - range_.first + 1; tries > 0; --tries) {
        auto port = next_;
        next_ = port == range_.last ? range_.first : static_cast<std::uint16_t>(port + 1);
        if (take(port)) return port;
    }
    return Error{Errc::limit, fmt::format("no port of {}-{} is free: widen [limits] ports",
                                          range_.first, range_.last)};
}

}  // namespace belay::sys
