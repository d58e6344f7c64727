#include "fake_daemon.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace belay::cli {
namespace {

void must(bool fine, const char* what) {
    if (!fine) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

int listen_unix(const std::string& path) {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    std::filesystem::path whole(path);
    int folder = ::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    must(folder >= 0, "open");
    ::unlink(path.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto name = "/proc/self/fd/" + std::to_string(folder) + "/" + whole.filename().string();
    must(name.size() < sizeof address.sun_path, "name");
    std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
    must(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    ::close(folder);
    must(::listen(fd, 16) == 0, "listen");
    return fd;
}

int listen_tcp(int& port) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    socklen_t size = sizeof address;
    must(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    port = ntohs(address.sin_port);
    must(::listen(fd, 16) == 0, "listen");
    return fd;
}

// Header and body of one request; an empty method where the connection ended.
Seen read_request(int fd) {
    std::string text;
    char chunk[4096];
    Seen seen;
    std::size_t head = std::string::npos;
    std::size_t length = 0;
    while (head == std::string::npos || text.size() < head + 4 + length) {
        auto count = ::recv(fd, chunk, sizeof chunk, 0);
        if (count <= 0) return {};
        text.append(chunk, static_cast<std::size_t>(count));
        if (head != std::string::npos || (head = text.find("\r\n\r\n")) == std::string::npos)
            continue;
        std::istringstream lines(text.substr(0, head));
        std::string line;
        std::getline(lines, line);
        std::istringstream first(line);
        first >> seen.method >> seen.target;
        while (std::getline(lines, line)) {
            if (line.ends_with('\r')) line.pop_back();
            auto colon = line.find(": ");
            auto name = line.substr(0, colon);
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            seen.headers[name] = line.substr(colon + 2);
        }
        if (seen.headers.count("content-length"))
            length = std::stoul(seen.headers["content-length"]);
    }
    seen.body = text.substr(head + 4, length);
    return seen;
}

}  // namespace

void Answer::raw(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        auto count = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (count <= 0) return;
        at += static_cast<std::size_t>(count);
    }
}

void Answer::json(int status, const std::string& body) {
    raw("HTTP/1.1 " + std::to_string(status) +
        " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body);
}

void Answer::problem(int status, const std::string& detail) {
    json(status, R"({"type": "about:blank", "title": "No", "detail": ")" + detail + "\"}");
}

void Answer::begin(const std::string& type, const std::string& headers) {
    raw("HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nTransfer-Encoding: chunked\r\n" +
        headers + "\r\n");
}

void Answer::chunk(const std::string& bytes) {
    std::ostringstream size;
    size << std::hex << bytes.size();
    raw(size.str() + "\r\n" + bytes + "\r\n");
}

void Answer::end(const std::string& trailers) {
    raw("0\r\n" + trailers + "\r\n");
}

void Answer::wait_gone() {
    char byte;
    while (::recv(fd_, &byte, 1, 0) > 0) {
    }
}

FakeDaemon::FakeDaemon(std::string socket, Handler handler)
    : socket_(std::move(socket)), handler_(std::move(handler)) {
    listener_ = socket_.empty() ? listen_tcp(port_) : listen_unix(socket_);
    acceptor_ = std::thread([this] { accept_all(); });
}

FakeDaemon::~FakeDaemon() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        for (int fd : open_)
            ::shutdown(fd, SHUT_RDWR);
    }
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& worker : workers_)
        worker.join();
    ::close(listener_);
    if (!socket_.empty()) ::unlink(socket_.c_str());
}

void FakeDaemon::accept_all() {
    for (;;) {
        int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        std::lock_guard lock(mutex_);
        if (stopping_) {
            ::close(fd);
            return;
        }
        open_.push_back(fd);
        workers_.emplace_back([this, fd] { serve(fd); });
    }
}

void FakeDaemon::serve(int fd) {
    auto request = read_request(fd);
    if (!request.method.empty()) {
        {
            std::lock_guard lock(mutex_);
            seen_.push_back(request);
        }
        changed_.notify_all();
        Answer answer(fd);
        handler_(request, answer);
    }
    std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
}

std::vector<Seen> FakeDaemon::seen() {
    std::lock_guard lock(mutex_);
    return seen_;
}

std::vector<Seen> FakeDaemon::wait_seen(std::size_t count) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return seen_.size() >= count; }))
        throw std::runtime_error("the request did not come");
    return seen_;
}

}  // namespace belay::cli
