// Plain blocking sockets for tests, with deadlines: they share no code with the proxy.
#pragma once

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace belay::proxy {

class Socket {
  public:
    Socket() = default;
    explicit Socket(int fd) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        close();
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    ~Socket() { close(); }

    int fd() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    // The descriptor goes with the first byte.
    bool send_with_descriptor(std::string_view bytes, int passed) const {
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof passed)] = {};
        iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        auto* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof passed);
        std::memcpy(CMSG_DATA(part), &passed, sizeof passed);
        return ::sendmsg(fd_, &message, MSG_NOSIGNAL) == static_cast<long>(bytes.size());
    }
    // -1: nothing within the time or an error; 0: the end.
    long receive(char* into, std::size_t size, int milliseconds = 10'000) const {
        pollfd wait{fd_, POLLIN, 0};
        if (::poll(&wait, 1, milliseconds) <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        return ::recv(fd_, into, size, 0);
    }
    // Until `marker` is in what came, the end, or the time is up.
    std::string receive_until(std::string_view marker, int milliseconds = 10'000) const {
        std::string all;
        char block[65536];
        auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
        while (marker.empty() || all.find(marker) == std::string::npos) {
            auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            auto got = left.count() > 0
                           ? receive(block, sizeof block, static_cast<int>(left.count()))
                           : -1;
            if (got <= 0) break;
            all.append(block, static_cast<std::size_t>(got));
        }
        return all;
    }
    std::string receive_all(int milliseconds = 10'000) const {
        return receive_until("", milliseconds);
    }
    // The other end closed (in order or by reset) within the time.
    bool closed_within(int milliseconds) const {
        char byte = 0;
        auto got = receive(&byte, 1, milliseconds);
        return got == 0 || (got < 0 && errno == ECONNRESET);
    }
    void finish_writing() const { ::shutdown(fd_, SHUT_WR); }

  private:
    int fd_ = -1;
};

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline Socket connect_to(std::uint16_t port) {
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(port);
    int on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return Socket();
    return socket;
}

inline Socket connect_to(const std::string& path) {
    Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    if (::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return Socket();
    return socket;
}

inline Socket listen_on_loopback() {
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    int on = 1;
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.fd(), 1024) != 0)
        return Socket();
    return socket;
}

inline std::uint16_t port_of(const Socket& socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
}

// One HTTP/1 message whose body has a Content-Length or none, off a kept-alive connection.
struct Message {
    std::string head;
    std::string body;

    int status() const { return head.size() > 12 ? std::atoi(head.c_str() + 9) : 0; }
    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

inline Message receive_message(const Socket& socket, bool body_expected = true,
                               int milliseconds = 10'000) {
    Message message;
    std::string all;
    char block[65536];
    std::size_t end = std::string::npos;
    while ((end = all.find("\r\n\r\n")) == std::string::npos) {
        auto got = socket.receive(block, body_expected ? sizeof block : 1, milliseconds);
        if (got <= 0) return message;
        all.append(block, static_cast<std::size_t>(got));
    }
    message.head = all.substr(0, end + 4);
    message.body = all.substr(end + 4);
    auto at = message.head.find("Content-Length: ");
    if (!body_expected || at == std::string::npos) return message;
    auto length = std::strtoul(message.head.c_str() + at + 16, nullptr, 10);
    while (message.body.size() < length) {
        auto got = socket.receive(block, sizeof block, milliseconds);
        if (got <= 0) break;
        message.body.append(block, static_cast<std::size_t>(got));
    }
    return message;
}

}  // namespace belay::proxy
