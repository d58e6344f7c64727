#include "session.hpp"

#include <chrono>
#include <sys/socket.h>

namespace belay::proxy {
namespace {

constexpr Millis kLinger{2'000};
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;

void reset_on_close(int fd) {
    linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

}  // namespace

Session::Session(Plane& plane, Fd socket, Endpoint peer, std::shared_ptr<const Entrance> entrance)
    : plane_(plane),
      peer_(std::move(peer)),
      entrance_(std::move(entrance)),
      client_(plane.loop, std::move(socket)),
      in_(plane.blocks),
      listener_name_(to_string(entrance_->address)) {}

void Session::start(Plane& plane, Fd socket, Endpoint peer,
                    std::shared_ptr<const Entrance> entrance) {
    plane.sessions.push_back(
        std::make_unique<Session>(plane, std::move(socket), std::move(peer), std::move(entrance)));
    auto& session = *plane.sessions.back();
    session.place_ = std::prev(plane.sessions.end());
    session.run().start();
}

void Session::end_if_idle() {
    if (idle_place_) client_.cancel();
}

Flow<> Session::run() {
    auto after = After::keep;
    while (after == After::keep) {
        bool came = co_await next_request();
        if (!came) break;
        after = co_await serve();
    }
    if (after == After::linger) co_await linger();
    if (after == After::reset) reset_on_close(client_.fd());
    auto& sessions = plane_.sessions;
    auto self = std::move(*place_);
    sessions.erase(place_);
}

// The head of the next request is whole, and `in_` begins with it. False: the connection has no
// further use.
Flow<bool> Session::next_request() {
    in_.drop_if_empty();
    bool came = !in_.empty();
    if (!came) came = co_await wait_for_bytes();
    if (!came) co_return false;
    first_ = false;
    co_return co_await read_head();
}

Flow<bool> Session::wait_for_bytes() {
    // The answer before was promised not to be the last: whoever believed that may be sending.
    const bool ending = plane_.leaving || entrance_->closing;
    auto timeout = first_ ? plane_.options.header_timeout
                          : (ending ? kIdleGrace : plane_.keep_alive_timeout());
    idle_place_ = plane_.idle.insert(plane_.idle.end(), this);
    auto ready = co_await client_.readable(timeout);
    plane_.idle.erase(*idle_place_);
    idle_place_.reset();
    co_return ready.status == Io::ok;
}

// One deadline for the whole head, however it trickles.
Flow<bool> Session::read_head() {
    auto begun = plane_.loop.now_us();
    std::size_t seen = 0;
    for (;;) {
        // Empty lines before a request are passed over (RFC 9112 §2.2).
        while (in_.view().starts_with("\r\n")) {
            in_.consume(2);
            seen = 0;
        }
        head_size_ = find_head_end(in_.view(), seen);
        if (head_size_ > kHeadMax || (head_size_ == 0 && in_.size() >= kHeadMax)) {
            co_await refuse({431, "the head is larger than 64 KiB"});
            co_await linger();
            co_return false;
        }
        if (head_size_ > 0) co_return true;
        seen = in_.size();
        in_.reserve();
        if (in_.space_size() == 0) in_.grow(kHeadMax + kBlockSize);
        auto spent = Millis{(plane_.loop.now_us() - begun) / 1000};
        auto left = std::max(plane_.options.header_timeout - spent, Millis{1});
        auto got = co_await client_.read(in_.space(), in_.space_size(), left);
        if (got.status == Io::timeout && !in_.empty())
            co_await refuse({408, "the head did not arrive in time"});
        if (got.status != Io::ok) co_return false;
        in_.filled(got.bytes);
    }
}

Flow<After> Session::serve() {
    if (auto bad = parse_request(in_.view().substr(0, head_size_), head_))
        co_return co_await refuse(*bad);
    Incoming incoming{plane_, client_, in_, head_, head_size_, peer_, *entrance_, listener_name_};
    Exchange exchange(incoming);
    co_return co_await exchange.run();
}

Flow<After> Session::refuse(BadHead bad) {
    Page page{bad.status, "This request can't be served: " + std::string(bad.why) + ".", false,
              false};
    auto text = format_page(page);
    auto sent = co_await client_.write(text, plane_.options.header_timeout);
    co_return sent.status == Io::ok ? After::linger : After::close;
}

// A socket closed with unread bytes is reset, and the reset may overtake the answer.
Flow<> Session::linger() {
    client_.finish_writing();
    auto deadline = plane_.loop.now_us() + std::chrono::microseconds(kLinger).count();
    in_.drop();
    in_.reserve();
    for (std::size_t bytes = 0; bytes < kLingerBytes;) {
        auto left = Millis{(deadline - plane_.loop.now_us()) / 1000};
        if (left.count() <= 0) co_return;
        auto got = co_await client_.read(in_.space(), in_.space_size(), left);
        if (got.status != Io::ok) co_return;
        bytes += got.bytes;
    }
}

}  // namespace belay::proxy
