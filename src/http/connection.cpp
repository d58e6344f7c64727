#include "connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include <array>

namespace belay::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using std::chrono::steady_clock;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
// A header at its limit and something of the body behind it: what one connection may keep unread.
constexpr std::size_t kBufferMax = 20 * 1024;
constexpr std::size_t kFirstRead = 4 * 1024;
const ErrorCode kExpired = asio::error::operation_aborted;

}  // namespace

Connection::Connection(Socket socket, Peer peer)
    : socket_(std::move(socket)), timer_(socket_.get_executor()), buffer_(kBufferMax), peer_(peer) {
    enter(Phase::head);
}

void Connection::enter(Phase next) {
    phase = next;
    phase_since = steady_clock::now();
}

void Connection::expires_after(Millis delay) {
    expires_at(steady_clock::now() + delay);
}

// The timer is moved only to fire earlier: a later deadline is seen when the earlier one fires.
void Connection::expires_at(steady_clock::time_point deadline) {
    if (!closed_) expired_ = false;
    deadline_ = deadline;
    if (!armed_ || timer_.expiry() > deadline_) arm();
}

void Connection::expires_never() {
    deadline_ = steady_clock::time_point::max();
}

void Connection::arm() {
    armed_ = true;
    timer_.expires_at(deadline_);
    timer_.async_wait([weak = weak_from_this()](ErrorCode failure) {
        auto self = weak.lock();
        if (failure || !self) return;
        self->armed_ = false;
        if (self->deadline_ == steady_clock::time_point::max()) return;
        if (steady_clock::now() < self->deadline_)
            self->arm();
        else
            self->expire();
    });
}

void Connection::expire() {
    expired_ = true;
    ErrorCode ignored;
    socket_.cancel(ignored);
}

void Connection::close() {
    closed_ = expired_ = true;
    timer_.cancel();
    ErrorCode ignored;
    socket_.close(ignored);
}

Task<ErrorCode> Connection::wait_for_bytes() {
    if (expired_) co_return kExpired;
    if (has_bytes()) co_return ErrorCode();
    auto [failure, count] = co_await socket_.async_read_some(buffer_.prepare(kFirstRead), kToken);
    buffer_.commit(count);
    co_return failure;
}

Task<ErrorCode> Connection::read_head(Parser& parser) {
    if (expired_) co_return kExpired;
    auto [failure, count] =
        co_await beast::http::async_read_header(socket_, buffer_, parser, kToken);
    co_return failure;
}

Task<ErrorCode> Connection::read_body(Parser& parser) {
    if (expired_) co_return kExpired;
    auto [failure, count] = co_await beast::http::async_read_some(socket_, buffer_, parser, kToken);
    if (failure == beast::http::error::need_buffer) co_return ErrorCode();
    co_return failure;
}

Task<ErrorCode> Connection::write(std::string head, std::string body) {
    if (expired_) co_return kExpired;
    std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
    auto [failure, count] = co_await asio::async_write(socket_, buffers, kToken);
    co_return failure;
}

Task<void> Connection::drain() {
    std::string dropped(1024, '\0');
    ErrorCode failure;
    while (!failure && !expired_) {
        auto [ended, count] = co_await socket_.async_read_some(asio::buffer(dropped), kToken);
        failure = ended;
    }
}

void Connection::end_our_side() {
    ErrorCode ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

Task<void> Connection::linger() {
    end_our_side();
    co_await drain();
}

Task<void> Connection::watch() {
    auto self = shared_from_this();
    co_await drain();
    gone.set();
}

Task<void> Connection::finish() {
    end_our_side();
    co_await gone.wait();
}

}  // namespace belay::http
