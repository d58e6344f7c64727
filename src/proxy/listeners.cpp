#include "listeners.hpp"

#include "session.hpp"

#include <belay/base/log.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace belay::proxy {
namespace {

constexpr int kFirstPassed = 3;    // SD_LISTEN_FDS_START
constexpr int kAcceptAtOnce = 64;  // then others have their turn
constexpr int kQueueMax = 4096;    // of the kernel, by default
constexpr Millis kPause{100};

int number_in_environment(const char* name, int otherwise) {
    const char* text = std::getenv(name);
    return text ? std::atoi(text) : otherwise;
}

Result<Endpoint> bound_address(int fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0 ||
        (storage.ss_family != AF_INET && storage.ss_family != AF_INET6))
        return Error{Errc::invalid,
                     "descriptor " + std::to_string(fd) + " is no listening TCP socket"};
    return endpoint_of(storage);
}

}  // namespace

Listener::Listener(Plane& plane, Fd socket, Endpoint address)
    : plane_(plane),
      socket_(std::move(socket)),
      entrance_(std::make_shared<Entrance>(Entrance{std::move(address), false})) {
    int on = 1;
    // Inherited by what is accepted, which saves a call each.
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
    ::fcntl(socket_.get(), F_SETFD, FD_CLOEXEC);
    plane_.loop.watch(socket_.get(), *this, EPOLLIN);
}

Listener::~Listener() {
    plane_.loop.forget(socket_.get(), *this);
}

// Whoever comes between the two calls is reset; no order of calls could spare him that. Closing our
// descriptor alone would leave the shim's: clients would go on to be let into a queue that nobody
// serves.
std::shared_ptr<const Entrance> Listener::close() {
    for (int i = 0; i < kQueueMax && accept_one(); ++i) {
    }
    ::shutdown(socket_.get(), SHUT_RD);
    entrance_->closing = true;
    return entrance_;
}

// The kernel's queue holds those who come meanwhile.
void Listener::pause() {
    plane_.loop.change(socket_.get(), *this, 0);
    plane_.loop.arm(*this, kPause);
}

void Listener::on_expired() {
    plane_.loop.change(socket_.get(), *this, EPOLLIN);
}

void Listener::on_events(std::uint32_t) {
    for (int i = 0; i < kAcceptAtOnce; ++i)
        if (!accept_one()) return;
}

bool Listener::accept_one() {
    if (plane_.sessions.size() >= plane_.connections_max()) {
        plane_.relieve();
        if (plane_.sessions.size() >= plane_.connections_max()) {
            pause();
            return false;
        }
    }
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    Fd client(::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&storage), &length,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client) {
        Session::start(plane_, std::move(client), endpoint_of(storage), entrance_);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED) return true;
    if (errno != EAGAIN) {
        plane_.relieve();
        pause();
    }
    return false;
}

void Listeners::adopt_from_environment() {
    auto count = number_in_environment("LISTEN_FDS", 0);
    if (number_in_environment("LISTEN_PID", ::getpid()) != ::getpid()) return;
    for (int fd = kFirstPassed; fd < kFirstPassed + count; ++fd)
        if (auto added = add(Fd(fd)); !added)
            log::warning("a passed socket is of no use", {{"error", added.error().message}});
    for (const auto* name : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"})
        ::unsetenv(name);
}

Result<std::string> Listeners::add(Fd socket) {
    auto address = bound_address(socket.get());
    if (!address) return address.error();
    auto text = to_string(*address);
    if (auto present = find(text); present != all_.end()) all_.erase(present);
    all_.push_back(std::make_unique<Listener>(plane_, std::move(socket), *address));
    return text;
}

std::vector<std::unique_ptr<Listener>>::iterator Listeners::find(const std::string& address) {
    return std::find_if(all_.begin(), all_.end(),
                        [&](const auto& listener) { return listener->address() == address; });
}

bool Listeners::close(const std::string& address, Millis drain_time) {
    auto at = find(address);
    if (at == all_.end()) return false;
    auto entrance = (*at)->close();
    all_.erase(at);
    drain(std::move(entrance), drain_time).start();
    return true;
}

Flow<> Listeners::drain(std::shared_ptr<const Entrance> entrance, Millis time) {
    co_await Sleep(plane_.loop, kIdleGrace);
    const auto idle = plane_.idle;
    for (auto* session : idle)
        if (&session->entrance() == entrance.get()) session->end_if_idle();
    if (plane_.loop.stopping()) co_return;
    co_await Sleep(plane_.loop, std::max(time - kIdleGrace, Millis{0}));
    if (plane_.loop.stopping()) co_return;
    plane_.routing.send_streams_away_by(std::move(entrance));
}

std::vector<int> Listeners::sockets() const {
    std::vector<int> all;
    for (const auto& listener : all_)
        all.push_back(listener->socket());
    return all;
}

std::vector<std::string> Listeners::addresses() const {
    std::vector<std::string> all;
    for (const auto& listener : all_)
        all.push_back(listener->address());
    return all;
}

}  // namespace belay::proxy
