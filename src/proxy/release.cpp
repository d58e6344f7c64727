#include "release.hpp"

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace belay::proxy {
namespace {

Fd open_socket(const sockaddr_storage& address) {
    Fd socket(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return socket;
    int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length_of(address)) !=
            0 &&
        errno != EINPROGRESS)
        return Fd();
    return socket;
}

}  // namespace

void Upstream::on_expired() {
    idle_at_->drop(*this);
}

// While it waits nothing may come: what does is the end, or an answer nobody asked for.
void Upstream::on_unread(Stream&) {
    idle_at_->drop(*this);
}

Target::Target(ports::Upstream upstream) : upstream_(std::move(upstream)) {
    if (auto address = socket_address(upstream_.host, upstream_.port)) address_ = *address;
}

std::unique_ptr<Upstream> Target::take() {
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    connection->stream.loop().disarm(*connection);
    connection->stream.observe(nullptr);
    connection->idle_at_ = nullptr;
    connection->reused = true;
    return connection;
}

void Target::give(std::unique_ptr<Upstream> connection, Millis idle) {
    if (retired_ || idle_.size() >= kIdleMax || !connection->stream.quiet(false)) return;
    connection->idle_at_ = this;
    connection->stream.observe(connection.get());
    connection->stream.loop().arm(*connection, idle);
    idle_.push_back(std::move(connection));
}

void Target::retire() {
    retired_ = true;
    idle_.clear();
}

void Target::drop(Upstream& connection) {
    auto at = std::find_if(idle_.begin(), idle_.end(),
                           [&](const auto& idle) { return idle.get() == &connection; });
    if (at != idle_.end()) idle_.erase(at);
}

Flow<std::unique_ptr<Upstream>> Target::connect(Loop& loop, Millis timeout) {
    auto socket = open_socket(address_);
    if (!socket) co_return nullptr;
    auto connection = std::make_unique<Upstream>(loop, std::move(socket));
    auto result = co_await connection->stream.connected(timeout);
    if (result.status != Io::ok) {
        errno = ECONNREFUSED;
        connection.reset();
    }
    co_return connection;
}

}  // namespace belay::proxy
