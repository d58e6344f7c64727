#include <belay/sys/files.hpp>
#include <belay/sys/sockets.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace belay::sys {

namespace {

struct Endpoint {
    sockaddr_storage address{};
    socklen_t length = 0;
    std::string host;  // as in the address's text, brackets included
    bool optional = false;
};

Endpoint v4_endpoint(in_addr host, std::uint16_t port) {
    Endpoint endpoint;
    auto* address = reinterpret_cast<sockaddr_in*>(&endpoint.address);
    address->sin_family = AF_INET;
    address->sin_addr = host;
    address->sin_port = htons(port);
    endpoint.length = sizeof *address;
    char text[INET_ADDRSTRLEN];
    endpoint.host = ::inet_ntop(AF_INET, &host, text, sizeof text);
    return endpoint;
}

Endpoint v6_endpoint(const in6_addr& host, std::uint16_t port) {
    Endpoint endpoint;
    auto* address = reinterpret_cast<sockaddr_in6*>(&endpoint.address);
    address->sin6_family = AF_INET6;
    address->sin6_addr = host;
    address->sin6_port = htons(port);
    endpoint.length = sizeof *address;
    char text[INET6_ADDRSTRLEN];
    endpoint.host = fmt::format("[{}]", ::inet_ntop(AF_INET6, &host, text, sizeof text));
    return endpoint;
}

std::vector<Endpoint> both(std::uint32_t v4, const in6_addr& v6, std::uint16_t port) {
    std::vector<Endpoint> endpoints;
    endpoints.push_back(v4_endpoint(in_addr{htonl(v4)}, port));
    endpoints.push_back(v6_endpoint(v6, port));
    endpoints.back().optional = true;
    return endpoints;
}

Result<std::vector<Endpoint>> parse(const std::string& text) {
    Error wrong{Errc::invalid,
                fmt::format("\"{}\" is no address to listen on: write IP:PORT, [IPV6]:PORT, "
                            "localhost:PORT or :PORT",
                            text)};
    auto colon = text.rfind(':');
    if (colon == std::string::npos) return wrong;
    auto host = text.substr(0, colon);
    std::uint16_t port = 0;
    auto* end = text.data() + text.size();
    auto [stop, failure] = std::from_chars(text.data() + colon + 1, end, port);
    if (failure != std::errc() || stop != end) return wrong;
    if (host.empty()) return both(INADDR_ANY, in6addr_any, port);
    if (host == "localhost") return both(INADDR_LOOPBACK, in6addr_loopback, port);
    in_addr v4{};
    in6_addr v6{};
    std::vector<Endpoint> endpoints;
    if (::inet_pton(AF_INET, host.c_str(), &v4) == 1)
        endpoints.push_back(v4_endpoint(v4, port));
    else if (host.size() > 2 && host.front() == '[' && host.back() == ']' &&
             ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) == 1)
        endpoints.push_back(v6_endpoint(v6, port));
    else
        return wrong;
    return endpoints;
}

std::string who_listens_on(std::uint16_t port) {
    auto sockets = listening_sockets();
    if (!sockets) return {};
    for (const auto& socket : *sockets)
        if (socket.port == port)
            if (auto holder = holder_of(socket.inode); !holder.empty()) return holder;
    return {};
}

Error bind_error(int error, const std::string& text, std::uint16_t port) {
    if (error == EADDRINUSE) {
        auto holder = who_listens_on(port);
        return {Errc::conflict, fmt::format("{} is in use by {}", text,
                                            holder.empty() ? "another process" : holder)};
    }
    if (error == EACCES)
        return {Errc::forbidden,
                fmt::format("{} can't be bound: ports below 1024 need root or CAP_NET_BIND_SERVICE",
                            text)};
    if (error == EADDRNOTAVAIL)
        return {Errc::invalid,
                fmt::format("{} can't be bound: this machine has no such address", text)};
    return errno_error(error, "listening on " + text);
}

std::uint16_t port_of(const UniqueFd& fd) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

void set_port(Endpoint& endpoint, std::uint16_t port) {
    if (endpoint.address.ss_family == AF_INET6)
        reinterpret_cast<sockaddr_in6*>(&endpoint.address)->sin6_port = htons(port);
    else
        reinterpret_cast<sockaddr_in*>(&endpoint.address)->sin_port = htons(port);
}

// The errno where it can't.
Result<UniqueFd> bind_one(const Endpoint& endpoint, int backlog, int& error) {
    auto family = endpoint.address.ss_family;
    UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd && family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
    if (fd && ::bind(fd.get(), address, endpoint.length) == 0 && ::listen(fd.get(), backlog) == 0)
        return fd;
    error = errno;
    return errno_error(error, "listening on " + endpoint.host);
}

bool family_is_missing(int error) {
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

// sun_path holds 108 bytes; a descriptor's link is always short.
Result<sockaddr_un> unix_address(int directory, const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto path = fmt::format("/proc/self/fd/{}/{}", directory, name);
    if (path.size() >= sizeof address.sun_path || name.find('/') != std::string::npos)
        return Error{Errc::invalid, fmt::format("\"{}\" is no name for a socket", name)};
    path.copy(address.sun_path, path.size());
    return address;
}

Result<UniqueFd> unix_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return errno_error(errno, "making a socket");
    return fd;
}

Result<UniqueFd> open_parent(const std::filesystem::path& socket) {
    auto parent = socket.has_parent_path() ? socket.parent_path() : std::filesystem::path(".");
    return open_file(parent, O_PATH | O_DIRECTORY);
}

}  // namespace

Result<std::vector<BoundListener>> listen_tcp(const std::string& address, int backlog) {
    auto endpoints = parse(address);
    if (!endpoints) return endpoints.error();
    std::vector<BoundListener> listeners;
    for (auto& endpoint : *endpoints) {
        // Port 0: the second family gets the port that the first one got.
        if (!listeners.empty()) set_port(endpoint, listeners.front().port);
        int error = 0;
        auto fd = bind_one(endpoint, backlog, error);
        if (!fd && endpoint.optional && family_is_missing(error)) continue;
        if (!fd) {
            auto port = std::uint16_t{};
            std::from_chars(address.data() + address.rfind(':') + 1,
                            address.data() + address.size(), port);
            return bind_error(error, address, port);
        }
        auto port = port_of(*fd);
        listeners.push_back({std::move(*fd), fmt::format("{}:{}", endpoint.host, port), port});
    }
    return listeners;
}

Result<std::vector<std::string>> listen_addresses(const std::string& address) {
    auto endpoints = parse(address);
    if (!endpoints) return endpoints.error();
    const bool has_v6 = ::access("/proc/net/if_inet6", F_OK) == 0;
    std::vector<std::string> addresses;
    for (const auto& endpoint : *endpoints)
        if (!endpoint.optional || has_v6)
            addresses.push_back(endpoint.host + address.substr(address.rfind(':')));
    return addresses;
}

Result<UniqueFd> listen_unix(const std::filesystem::path& socket, mode_t mode, int backlog) {
    auto parent = open_parent(socket);
    if (!parent) return parent.error();
    return listen_unix_at(parent->get(), socket.filename(), mode, backlog);
}

Result<UniqueFd> listen_unix_at(int directory, const std::string& name, mode_t mode, int backlog) {
    auto address = unix_address(directory, name);
    if (!address) return address.error();
    struct stat found{};
    if (::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISSOCK(found.st_mode))
            return Error{Errc::conflict, name + " is in the way: it is no socket"};
        if (connect_unix_at(directory, name))
            return Error{Errc::conflict, name + " is in use: another process listens there"};
        ::unlinkat(directory, name.c_str(), 0);
    }
    auto fd = unix_socket();
    if (!fd) return fd;
    // The mode is set before anybody can connect, as nobody listens yet.
    if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::fchmodat(directory, name.c_str(), mode, 0) != 0 || ::listen(fd->get(), backlog) != 0)
        return errno_error(errno, "listening on the socket " + name);
    return fd;
}

Result<UniqueFd> connect_unix(const std::filesystem::path& socket) {
    auto parent = open_parent(socket);
    if (!parent) return parent.error();
    return connect_unix_at(parent->get(), socket.filename());
}

Result<UniqueFd> connect_unix_at(int directory, const std::string& name) {
    auto address = unix_address(directory, name);
    if (!address) return address.error();
    auto fd = unix_socket();
    if (!fd) return fd;
    if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0)
        return fd;
    // EAGAIN: its queue is full.
    if (errno == ECONNREFUSED || errno == EAGAIN)
        return Error{Errc::unavailable, fmt::format("nobody answers on the socket {}", name)};
    return errno_error(errno, "connecting to the socket " + name);
}

}  // namespace belay::sys
