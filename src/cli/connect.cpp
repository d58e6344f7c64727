#include "wire.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace belay::cli {
namespace {

// The kernel's bound on sun_path, its ending zero included (unix(7)).
constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path);

Result<void> wait_connected(int fd, Deadline deadline, const std::string& what) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wait{fd, POLLOUT, 0};
    int ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0) return errno_error(errno, what);
    if (ready == 0) return Error{Errc::timeout, what + ": no answer in time"};
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) return errno_error(failure, what);
    return {};
}

Result<void> start_connect(int fd, const sockaddr* address, socklen_t size, Deadline deadline,
                           const std::string& what) {
    if (::connect(fd, address, size) == 0) return {};
    // EAGAIN: the queue stayed full, so a daemon is there but has no time
    if (errno == EAGAIN) return Error{Errc::timeout, what + ": the daemon is too busy to answer"};
    if (errno != EINPROGRESS) return errno_error(errno, what);
    return wait_connected(fd, deadline, what);
}

// Unix sockets wait for a place in a full queue, for as long as this says (unix(7), socket(7)).
void limit_connect(int fd, Deadline deadline) {
    auto left =
        std::chrono::ceil<std::chrono::microseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    left = std::max<std::int64_t>(left, 1);  // zero would mean for ever
    timeval limit{};
    limit.tv_sec = left / 1'000'000;
    limit.tv_usec = left % 1'000'000;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

Result<Descriptor> connect_unix(const std::string& path, Deadline deadline) {
    auto what = "connecting to " + path;
    Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return errno_error(errno, what);
    limit_connect(fd.get(), deadline);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto name = path;
    Descriptor folder;
    if (name.size() >= kPathMax) {
        std::filesystem::path whole(path);
        folder = Descriptor(::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!folder) return errno_error(errno, what);
        name = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + whole.filename().string();
        if (name.size() >= kPathMax)
            return Error{Errc::invalid, what + ": the socket's file name is too long"};
    }
    std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
    auto connected = start_connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                   sizeof address, deadline, what);
    if (!connected) {
        auto error = connected.error();
        if (error.code == Errc::not_found) error.code = Errc::unavailable;
        return error;
    }
    return fd;
}

Result<Descriptor> connect_tcp(const Endpoint& endpoint, Deadline deadline) {
    auto what = "connecting to " + endpoint.name();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int failure = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
    if (failure != 0) return Error{Errc::unavailable, what + ": " + ::gai_strerror(failure)};
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
    Error last{Errc::unavailable, what + ": no address"};
    for (auto* each = found; each; each = each->ai_next) {
        Descriptor fd(::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd) return errno_error(errno, what);
        auto connected = start_connect(fd.get(), each->ai_addr, each->ai_addrlen, deadline, what);
        if (connected) return fd;
        last = connected.error();
    }
    return last;
}

}  // namespace

Result<Descriptor> connect_to(const Endpoint& endpoint, Deadline deadline) {
    return endpoint.socket.empty() ? connect_tcp(endpoint, deadline)
                                   : connect_unix(endpoint.socket, deadline);
}

}  // namespace belay::cli
