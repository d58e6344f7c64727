// An app for the proxy to stand before: a thread per connection, answering by path.
#pragma once

#include "sockets.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace belay::proxy {

class Backend {
  public:
    explicit Backend(int number)
        : release(number), listener_(listen_on_loopback()), port_(port_of(listener_)) {
        acceptor_ = std::thread([this] { accept_all(); });
    }
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    ~Backend() { stop(); }

    void stop() {
        if (stopping_.exchange(true)) return;
        ::shutdown(listener_.fd(), SHUT_RDWR);
        acceptor_.join();
        {
            std::lock_guard lock(mutex_);
            for (int fd : open_)
                ::shutdown(fd, SHUT_RDWR);
        }
        for (auto& thread : threads_)
            thread.join();
        listener_.close();
    }

    std::uint16_t port() const { return port_; }
    // Connections that are open now.
    std::size_t open() {
        std::lock_guard lock(mutex_);
        return open_.size();
    }
    std::atomic<int> release;
    // How slow it is where a slow app is what is tested: /slow before its answer, /slow-upload
    // after each piece of a body.
    std::chrono::milliseconds slow_by{300};
    std::atomic<bool> second_half = false;  // of /halves
    std::atomic<bool> nagle = false;  // of connections taken from now on: none has TCP_NODELAY
    std::chrono::microseconds slow_reader_by{300};
    std::atomic<int> connections{0};
    std::atomic<int> requests{0};
    std::atomic<std::uint64_t> body_bytes{0};

  private:
    struct Request {
        std::string head;
        std::string path;
        std::string body;
        bool head_only = false;
    };

    void accept_all() {
        while (!stopping_) {
            Socket client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!client) break;
            int on = 1;
            if (!nagle) ::setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ++connections;
            std::lock_guard lock(mutex_);
            open_.push_back(client.fd());
            threads_.emplace_back([this, socket = std::make_shared<Socket>(std::move(client))] {
                serve(*socket);
                std::lock_guard closing(mutex_);
                std::erase(open_, socket->fd());
                socket->close();
            });
        }
    }

    void serve(const Socket& socket) {
        std::string in;
        while (!stopping_) {
            auto end = in.find("\r\n\r\n");
            if (end == std::string::npos) {
                if (!more(socket, in)) return;
                continue;
            }
            Request request;
            request.head = in.substr(0, end + 4);
            in.erase(0, end + 4);
            auto space = request.head.find(' ');
            request.path =
                request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
            request.head_only = request.head.starts_with("HEAD ");
            ++requests;
            if (!answer(socket, request, in)) return;
        }
    }

    static bool more(const Socket& socket, std::string& in) {
        char block[65536];
        auto got = socket.receive(block, sizeof block, 60'000);
        if (got <= 0) return false;
        in.append(block, static_cast<std::size_t>(got));
        return true;
    }

    bool read_body(const Socket& socket, const Request& request, std::string& in,
                   std::string& body) {
        auto at = request.head.find("Content-Length: ");
        if (at != std::string::npos) {
            auto left = std::strtoul(request.head.c_str() + at + 16, nullptr, 10);
            bool keep = left < 8'000'000;
            while (left > 0) {
                if (in.empty() && !more(socket, in)) return false;
                auto part = std::min<std::size_t>(left, in.size());
                if (keep) body.append(in, 0, part);
                body_bytes += part;
                in.erase(0, part);
                left -= part;
                if (request.path == "/slow-upload") std::this_thread::sleep_for(slow_reader_by);
            }
            return true;
        }
        if (request.head.find("Transfer-Encoding: chunked") == std::string::npos) return true;
        for (;;) {
            std::size_t line = 0;
            while ((line = in.find("\r\n")) == std::string::npos)
                if (!more(socket, in)) return false;
            auto size = std::strtoul(in.c_str(), nullptr, 16);
            while (in.size() < line + 2 + size + 2)
                if (!more(socket, in)) return false;
            body.append(in, line + 2, size);
            body_bytes += size;
            in.erase(0, line + 2 + size + 2);
            if (size == 0) return true;
        }
    }

    static std::string sized(std::string_view status, const std::string& body,
                             std::string_view extra = "") {
        return "HTTP/1.1 " + std::string(status) +
               "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(extra) +
               "\r\n" + body;
    }

    bool answer(const Socket& socket, Request& request, std::string& in) {
        const auto& path = request.path;
        auto name = "release " + std::to_string(release.load());
        if (path == "/ws" || path == "/ws-deaf") return upgrade(socket, request, in);
        if (path == "/early") {  // answers without reading, and goes
            socket.send(sized("413 Too Large", "too large", "Connection: close\r\n"));
            return false;
        }
        if (path == "/expect") socket.send("HTTP/1.1 100 Continue\r\n\r\n");
        if (path == "/reset") return false;
        std::string body;
        if (!read_body(socket, request, in, body)) return false;
        if (path == "/two-writes") {
            auto all = sized("200 OK", body);
            auto head = all.size() - body.size();
            return socket.send(all.substr(0, head)) && socket.send(body);
        }
        if (path == "/echo" || path == "/expect") return socket.send(sized("200 OK", body));
        if (path == "/echo-chunked") {
            socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
            char size[32];
            for (std::size_t at = 0; at < body.size(); at += 1000) {
                auto part = body.substr(at, 1000);
                std::snprintf(size, sizeof size, "%zx\r\n", part.size());
                if (!socket.send(size + part + "\r\n")) return false;
            }
            return socket.send("0\r\nX-Sum: 1\r\n\r\n");
        }
        if (path == "/head")
            return socket.send(sized("200 OK", request.head, "X-Belay-Release: 999\r\n"));
        if (path == "/204") return socket.send("HTTP/1.1 204 No Content\r\n\r\n");
        if (path == "/304")
            return socket.send(
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n");
        if (path == "/hop")
            return socket.send(sized("200 OK", "hop",
                                     "Connection: keep-alive, X-Secret\r\nX-Secret: "
                                     "1\r\nKeep-Alive: timeout=5\r\nX-Open: 1\r\n"));
        if (path == "/until-close") {
            socket.send("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nsome ");
            socket.send("text");
            return false;
        }
        if (path == "/cut") {
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
            return false;
        }
        if (path == "/garbage") {
            socket.send("SSH-2.0-OpenSSH_9\r\n\r\n");
            return false;
        }
        if (path == "/never") {
            char byte = 0;
            socket.receive(&byte, 1, 60'000);
            return false;
        }
        if (path == "/500") return socket.send(sized("500 Internal Server Error", "oops"));
        if (path == "/halves") {
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            test::eventually([this] { return second_half.load(); });
            return socket.send("other");
        }
        if (path == "/slow") {
            std::this_thread::sleep_for(slow_by);
            return socket.send(sized("200 OK", name));
        }
        if (request.head_only)
            return socket.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
        return socket.send(sized("200 OK", name));
    }

    // Sends back whatever comes, and a close frame for a close frame.
    bool upgrade(const Socket& socket, const Request& request, std::string& in) {
        auto protocol =
            request.head.find("Upgrade: raw") != std::string::npos ? "raw" : "websocket";
        socket.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " +
                    std::string(protocol) + "\r\n\r\n");
        for (;;) {
            if (!in.empty()) {
                if (static_cast<unsigned char>(in[0]) == 0x88) {
                    saw_close = true;
                    socket.send(std::string_view("\x88\x02\x03\xe8", 4));
                    return false;
                }
                if (!socket.send(in)) return false;
                in.clear();
            }
            if (!more(socket, in)) break;
        }
        saw_end = true;
        if (request.path == "/ws-deaf") {  // to its client's end: goes when it must
            pollfd gone{socket.fd(), 0, 0};
            ::poll(&gone, 1, 60'000);
        }
        return false;
    }

  public:
    std::atomic<bool> saw_close{false};
    std::atomic<bool> saw_end{false};

  private:
    Socket listener_;
    std::uint16_t port_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::vector<int> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace belay::proxy
