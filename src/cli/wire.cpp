#include "wire.hpp"

#include "tls.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <poll.h>
#include <sys/socket.h>

namespace belay::cli {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kAnswerMax = std::size_t{64} << 20;

std::string serialized(const Endpoint& endpoint, const Request& request) {
    auto host = endpoint.socket.empty() ? endpoint.name() : std::string("belay");
    auto text = request.method + " " + endpoint.base + request.target +
                " HTTP/1.1\r\nHost: " + host +
                "\r\nUser-Agent: belay/" BELAY_VERSION "\r\nConnection: close\r\n";
    for (const auto& [name, value] : request.headers)
        text += name + ": " + value + "\r\n";
    if (request.method != "GET")
        text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    return text + "\r\n" + request.body;
}

Error broken(const Endpoint& endpoint, const std::string& how) {
    return Error{Errc::unavailable, "the connection to " + endpoint.name() + " " + how};
}

}  // namespace

std::string Endpoint::name() const {
    if (!socket.empty()) return socket;
    return (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + port;
}

Result<bool> wait_for(int fd, short events, Deadline deadline) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    auto wait = std::clamp<std::int64_t>(left.count(), 0, 3'600'000);
    pollfd slot{fd, events, 0};
    int ready = ::poll(&slot, 1, static_cast<int>(wait));
    if (ready < 0 && errno == EINTR) return Error{Errc::canceled, "interrupted"};
    if (ready < 0) return errno_error(errno, "waiting for the daemon");
    return ready > 0;
}

struct Exchange::State {
    Endpoint endpoint;
    Descriptor fd;
    std::optional<Tls> tls;
    http::response_parser<http::string_body> parser;
    std::string buffer;  // received, not yet understood

    Result<Moved> read_some(char* into, std::size_t size);
    Result<Moved> write_some(const char* from, std::size_t size);
    Result<void> send(const std::string& text, Deadline deadline);
    // False: nothing came by the deadline.
    Result<bool> receive(Deadline deadline);
    Result<void> understand(bool ended);
};

Result<Moved> Exchange::State::read_some(char* into, std::size_t size) {
    if (tls) {
        auto moved = tls->read(into, size);
        return moved ? moved : broken(endpoint, moved.error().message);
    }
    Moved moved;
    auto count = ::recv(fd.get(), into, size, MSG_DONTWAIT);
    if (count > 0) moved.count = static_cast<std::size_t>(count);
    moved.ended = count == 0;
    if (count < 0 && errno != EAGAIN && errno != EINTR) return broken(endpoint, "broke");
    if (count < 0) moved.wait = POLLIN;
    return moved;
}

Result<Moved> Exchange::State::write_some(const char* from, std::size_t size) {
    Moved moved;
    if (tls) {
        auto written = tls->write(from, size);
        if (written) return written;
        moved.ended = true;
        return moved;
    }
    auto count = ::send(fd.get(), from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) moved.count = static_cast<std::size_t>(count);
    moved.ended = count < 0 && (errno == EPIPE || errno == ECONNRESET);
    if (count < 0 && !moved.ended && errno != EAGAIN && errno != EINTR)
        return broken(endpoint, "broke while sending");
    if (count < 0) moved.wait = POLLOUT;
    return moved;
}

Result<void> Exchange::State::send(const std::string& text, Deadline deadline) {
    std::size_t sent = 0;
    while (sent < text.size()) {
        auto moved = write_some(text.data() + sent, text.size() - sent);
        if (!moved) return moved.error();
        // The other side may have answered and closed before it read all, as with 413: its answer
        // counts.
        if (moved->ended) return {};
        sent += moved->count;
        if (moved->count > 0) continue;
        auto ready = wait_for(fd.get(), moved->wait, deadline);
        if (!ready) return ready.error();
        if (!*ready) return Error{Errc::timeout, "the daemon takes no request"};
    }
    return {};
}

Result<bool> Exchange::State::receive(Deadline deadline) {
    std::array<char, 16384> chunk;
    while (true) {
        // Read first: TLS may hold what the socket does not show any more.
        auto moved = read_some(chunk.data(), chunk.size());
        if (!moved) return moved.error();
        buffer.append(chunk.data(), moved->count);
        if (moved->count > 0 || moved->ended) {
            if (auto understood = understand(moved->ended); !understood) return understood.error();
            return true;
        }
        auto ready = wait_for(fd.get(), moved->wait, deadline);
        if (!ready) return ready.error();
        if (!*ready) return false;
    }
}

Result<void> Exchange::State::understand(bool ended) {
    boost::system::error_code failure;
    while (!buffer.empty() && !parser.is_done()) {
        auto used = parser.put(boost::asio::buffer(buffer), failure);
        buffer.erase(0, used);
        if (failure == http::error::need_more) break;
        if (failure) return broken(endpoint, "carries no HTTP: " + failure.message());
        if (used == 0) break;
    }
    if (!ended || parser.is_done()) return {};
    if (!parser.got_some()) return broken(endpoint, "was closed without an answer");
    failure = {};
    parser.put_eof(failure);
    if (failure) return broken(endpoint, "was closed in the middle of an answer");
    return {};
}

Exchange::Exchange(std::unique_ptr<State> state) : state_(std::move(state)) {}
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&&) noexcept = default;
Exchange::~Exchange() = default;

Result<Exchange> Exchange::open(const Endpoint& endpoint, const Request& request,
                                Deadline deadline) {
    auto fd = connect_to(endpoint, deadline);
    if (!fd) return fd.error();
    auto state = std::make_unique<State>();
    state->endpoint = endpoint;
    state->fd = std::move(*fd);
    if (endpoint.tls) {
        auto tls = Tls::connect(state->fd.get(), endpoint, deadline);
        if (!tls) return tls.error();
        state->tls = std::move(*tls);
    }
    state->parser.eager(true);
    state->parser.body_limit(boost::none);
    if (auto sent = state->send(serialized(endpoint, request), deadline); !sent)
        return sent.error();
    while (!state->parser.is_header_done()) {
        auto received = state->receive(deadline);
        if (!received) return received.error();
        if (!*received) return Error{Errc::timeout, "the daemon gave no answer in time"};
    }
    return Exchange(std::move(state));
}

int Exchange::status() const {
    return static_cast<int>(state_->parser.get().result_int());
}

std::string Exchange::header(const std::string& name) const {
    return std::string(state_->parser.get()[name]);
}

Result<Exchange::Read> Exchange::read(std::string& into, Deadline deadline) {
    auto& body = state_->parser.get().body();
    while (body.empty() && !state_->parser.is_done()) {
        auto received = state_->receive(deadline);
        if (!received && body.empty()) return received.error();
        if (received && !*received) return Read::idle;
    }
    if (body.empty()) return Read::end;
    into += body;
    body.clear();
    return Read::bytes;
}

Result<std::string> Exchange::read_all(Deadline deadline) {
    std::string body;
    for (;;) {
        auto read = this->read(body, deadline);
        if (!read) return read.error();
        if (*read == Read::end) return body;
        if (*read == Read::idle)
            return Error{Errc::timeout, "the daemon's answer did not end in time"};
        if (body.size() > kAnswerMax) return Error{Errc::limit, "the daemon's answer is too long"};
    }
}

}  // namespace belay::cli
