// A server of scripted answers on a loopback port: blocking, one thread, one connection after the
// other.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <functional>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace belay::test {

class HostileServer {
  public:
    // One accepted connection; everything gives up when the other side or the server ends.
    class Peer {
      public:
        Peer(int fd, const std::atomic<bool>& stop) : fd_(fd), stop_(stop) {}

        // Up to the empty line.
        std::string read_request() {
            std::string request;
            char c = 0;
            while (!request.ends_with("\r\n\r\n") && wait(POLLIN) && ::recv(fd_, &c, 1, 0) == 1)
                request += c;
            return request;
        }
        bool send(std::string_view bytes) {
            while (!bytes.empty()) {
                if (!wait(POLLOUT)) return false;
                auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
                if (sent <= 0) return false;
                sent_ += static_cast<std::size_t>(sent);
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            }
            return true;
        }
        // Until the other side closes.
        void hang() {
            char c = 0;
            while (wait(POLLIN) && ::recv(fd_, &c, 1, 0) > 0) {
            }
        }
        // True while the other side is there and silent for so long.
        bool idle(int milliseconds) {
            pollfd poll{fd_, POLLIN, 0};
            return !stop_ && ::poll(&poll, 1, milliseconds) == 0;
        }
        void half_close() { ::shutdown(fd_, SHUT_WR); }
        void reset() {
            linger hard{1, 0};
            ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        std::size_t sent() const { return sent_; }

      private:
        bool wait(short events) {
            while (!stop_) {
                pollfd poll{fd_, events, 0};
                if (::poll(&poll, 1, 20) > 0) return true;
            }
            return false;
        }
        int fd_;
        const std::atomic<bool>& stop_;
        std::size_t sent_ = 0;
    };
    using Script = std::function<void(Peer&)>;

    explicit HostileServer(Script script, int family = AF_INET) : script_(std::move(script)) {
        fd_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_storage address{};
        socklen_t size = 0;
        if (family == AF_INET) {
            auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
            v4->sin_family = AF_INET;
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            size = sizeof *v4;
        } else {
            auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
            v6->sin6_family = AF_INET6;
            v6->sin6_addr = in6addr_loopback;
            size = sizeof *v6;
        }
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 16) != 0)
            throw std::runtime_error("no loopback listener");
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(family == AF_INET ? reinterpret_cast<sockaddr_in*>(&address)->sin_port
                                        : reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
        thread_ = std::thread([this] { serve(); });
    }
    HostileServer(const HostileServer&) = delete;
    HostileServer& operator=(const HostileServer&) = delete;
    ~HostileServer() {
        stop_ = true;
        thread_.join();
        ::close(fd_);
    }

    std::uint16_t port() const { return port_; }

  private:
    void serve() {
        while (!stop_) {
            pollfd poll{fd_, POLLIN, 0};
            if (::poll(&poll, 1, 20) <= 0) continue;
            int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            Peer peer(fd, stop_);
            script_(peer);
            ::close(fd);
        }
    }

    Script script_;
    int fd_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

}  // namespace belay::test
