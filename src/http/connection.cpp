#include "connection.hpp"

#include <belay/async/offload.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <sys/socket.h>

namespace belay::http {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using std::chrono::steady_clock;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
// A header at its limit and something of the body behind it: what one connection may keep unread.
constexpr std::size_t kHeadMost = 16 * 1024;
constexpr std::size_t kBehindHead = 4 * 1024;
// A delivery by GET has its body in its first line. While many bytes are held such a head is one as
// any other, so that they stay few, whoever sends them.
constexpr std::string_view kHookByGet = "GET /hooks/";
constexpr std::size_t kLongHeadsHeld = std::size_t{4} * 1024 * 1024;
// Most deliveries come whole with the first read.
constexpr std::size_t kFirstRead = 16 * 1024;
// So many pieces of one body in a row, then others have their turn.
constexpr int kPiecesInARow = 4;
const ErrorCode kExpired = asio::error::operation_aborted;

// Some servers end a line at a bare LF or join folded ones, others don't: between two of them a
// request could be two (RFC 9112 §2.2, §5.2). `head` may still be incomplete.
ErrorCode check_lines(std::string_view head) {
    // So that whoever speaks something else needn't wait for his deadline.
    if (!head.empty() && !std::isalpha(static_cast<unsigned char>(head.front())))
        return beast_http::error::bad_method;
    for (auto at = head.find('\n'); at != head.npos; at = head.find('\n', at + 1)) {
        if (at == 0 || head[at - 1] != '\r') return beast_http::error::bad_line_ending;
        if (at + 1 < head.size() && (head[at + 1] == ' ' || head[at + 1] == '\t'))
            return beast_http::error::bad_obs_fold;
    }
    return {};
}

}  // namespace

Connection::Connection(Socket socket, Peer peer, const Address& address, Scratch& scratch)
    : client(address),
      scratch_(scratch),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      buffer_(kLongestHead + kBehindHead),
      peer_(peer),
      address_(address) {
    enter(Phase::opening);
}

Connection::~Connection() {
    scratch_.buffered -= counted_;
}

void Connection::count_buffer() {
    scratch_.buffered += buffer_.capacity() - counted_;
    counted_ = buffer_.capacity();
}

// Reading a body is still the wait that began with its head.
void Connection::enter(Phase next) {
    phase = next;
    if (next != Phase::body) waiting_since = steady_clock::now();
    body_bytes = 0;
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
    // The number must not be given out again while the pool's thread uses it.
    if (on_pool_) {
        ::shutdown(socket_.native_handle(), SHUT_RDWR);
        return;
    }
    ErrorCode ignored;
    socket_.close(ignored);
}

// --- one attempt, and what to wait for

Progress Connection::try_read(char* into, std::size_t most, std::size_t& count) {
    if (tls_) return tls_->read(into, most, count);
    while (true) {
        auto got = ::recv(socket_.native_handle(), into, most, MSG_DONTWAIT);
        count = got > 0 ? static_cast<std::size_t>(got) : 0;
        if (got > 0) return Progress::done;
        if (got == 0) return Progress::ended;
        if (errno == EAGAIN) return Progress::wants_read;
        if (errno == EINTR) continue;
        socket_error_ = ErrorCode(errno, boost::system::system_category());
        return Progress::failed;
    }
}

Progress Connection::try_write(const char* from, std::size_t size, std::size_t& count) {
    if (tls_) return tls_->write(from, size, count);
    while (true) {
        auto sent = ::send(socket_.native_handle(), from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        count = sent > 0 ? static_cast<std::size_t>(sent) : 0;
        if (sent >= 0) return Progress::done;
        if (errno == EAGAIN) return Progress::wants_write;
        if (errno == EINTR) continue;
        socket_error_ = ErrorCode(errno, boost::system::system_category());
        return Progress::failed;
    }
}

Task<ErrorCode> Connection::wait_on(Progress wanted) {
    if (wanted == Progress::ended) co_return asio::error::eof;
    if (wanted == Progress::failed)
        co_return socket_error_ ? socket_error_ : ErrorCode(asio::error::connection_aborted);
    if (expired_) co_return kExpired;
    without_waiting_ = 0;
    const auto kind = wanted == Progress::wants_write ? asio::socket_base::wait_write
                                                      : asio::socket_base::wait_read;
    auto [failure] = co_await socket_.async_wait(kind, kToken);
    co_return failure;
}

Task<ErrorCode> Connection::read_some(char* into, std::size_t most, std::size_t& count) {
    count = 0;
    if (++without_waiting_ > kPiecesInARow) {
        without_waiting_ = 0;
        co_await asio::post(asio::use_awaitable);
    }
    while (true) {
        if (expired_) co_return kExpired;
        auto tried = try_read(into, most, count);
        if (tried == Progress::done) co_return ErrorCode();
        auto failure = co_await wait_on(tried);
        if (failure) co_return failure;
    }
}

Task<ErrorCode> Connection::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        if (expired_) co_return kExpired;
        std::size_t count = 0;
        auto tried = try_write(bytes.data(), bytes.size(), count);
        bytes.remove_prefix(count);
        if (tried == Progress::done) continue;
        auto failure = co_await wait_on(tried);
        if (failure) co_return failure;
    }
    co_return ErrorCode();
}

// --- TLS

Task<bool> Connection::speaks_tls() {
    constexpr unsigned char kHandshakeRecord = 22;  // RFC 8446 §5.1
    while (!expired_) {
        unsigned char first = 0;
        auto got = ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
        if (got > 0) co_return first == kHandshakeRecord;
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) co_return false;
        auto failure = co_await wait_on(Progress::wants_read);
        if (failure) co_return false;
    }
    co_return false;
}

Task<ErrorCode> Connection::secure(std::shared_ptr<SSL_CTX> context,
                                   boost::asio::thread_pool& pool) {
    auto self = shared_from_this();
    // OpenSSL reads and writes by itself, and Asio changes the mode only with the first operation.
    ErrorCode unchanged;
    socket_.native_non_blocking(true, unchanged);
    if (unchanged) co_return unchanged;
    tls_ = std::make_unique<TlsSession>(context, socket_.native_handle());
    while (true) {
        if (expired_) co_return kExpired;
        // A signature takes a millisecond with an RSA key: a flood of them must not hold up others.
        auto step = [this] { return tls_->handshake(); };
        on_pool_ = true;
        auto tried = co_await async::offload(pool, step);
        on_pool_ = false;
        if (closed_) {
            close();
            co_return kExpired;
        }
        if (tried == Progress::done) co_return ErrorCode();
        auto failure = co_await wait_on(tried);
        if (failure) co_return failure;
    }
}

// --- reading

void Connection::forget_piece() {
    buffer_.consume(std::exchange(taken_, 0));
}

// Nothing is held for those who say nothing, but where there are few it is soon needed again.
bool Connection::hold_less() {
    if (scratch_.buffered <= Scratch::kMuchBuffered) return false;
    buffer_.shrink_to_fit();
    count_buffer();
    return true;
}

Task<ErrorCode> Connection::fill_buffer(std::size_t most) {
    auto room = std::min(most, buffer_.max_size() - buffer_.size());
    if (room == 0) co_return beast_http::error::buffer_overflow;
    const bool crowded = hold_less();
    if (crowded && !tls_) {
        auto failure = co_await wait_on(Progress::wants_read);
        if (failure) co_return failure;
    }
    auto place = buffer_.prepare(room);
    count_buffer();
    std::size_t count = 0;
    auto failure = co_await read_some(static_cast<char*>(place.data()), room, count);
    buffer_.commit(count);
    co_return failure;
}

Task<ErrorCode> Connection::wait_for_bytes() {
    forget_piece();
    if (has_bytes()) co_return ErrorCode();
    hold_less();
    if (!tls_) {
        auto failure = co_await wait_on(Progress::wants_read);
        if (failure) co_return failure;
    }
    co_return co_await fill_buffer(kFirstRead);
}

// The parser is given whole heads only: of one that comes in pieces it takes the fields one by one,
// and its limit is that of the rest alone.
Task<ErrorCode> Connection::read_head(Parser& parser) {
    forget_piece();
    constexpr std::string_view kEnd = "\r\n\r\n";
    std::size_t searched = 0;
    while (true) {
        std::string_view bytes(static_cast<const char*>(buffer_.data().data()), buffer_.size());
        auto end = bytes.find(kEnd, searched);
        auto shape = check_lines(bytes.substr(0, end == bytes.npos ? bytes.size() : end + 2));
        if (shape) co_return shape;
        if (end != bytes.npos) {
            if (end > kHeadMost && !bytes.starts_with(kHookByGet))
                co_return beast_http::error::header_limit;
            ErrorCode failure;
            buffer_.consume(parser.put(buffer_.data(), failure));
            if (parser.is_header_done() || (failure && failure != beast_http::error::need_more))
                co_return failure;
            co_return beast_http::error::header_limit;
        }
        const bool may_be_long =
            bytes.starts_with(kHookByGet) && scratch_.buffered < kLongHeadsHeld;
        const auto most = may_be_long ? kLongestHead : kHeadMost;
        if (bytes.size() > most) co_return beast_http::error::header_limit;
        searched = bytes.size() - std::min(bytes.size(), kEnd.size() - 1);
        auto failure =
            co_await fill_buffer(std::min(kFirstRead, most + kBehindHead - bytes.size()));
        if (failure == asio::error::eof)
            co_return has_bytes() ? beast_http::error::partial_message
                                  : beast_http::error::end_of_stream;
        if (failure) co_return failure;
    }
}

std::optional<std::string_view> Connection::take_buffered(std::uint64_t count) {
    forget_piece();
    if (buffer_.size() < count) return std::nullopt;
    taken_ = static_cast<std::size_t>(count);
    return std::string_view(static_cast<const char*>(buffer_.data().data()), taken_);
}

Task<ErrorCode> Connection::read_raw(std::uint64_t most, std::span<char> into,
                                     std::string_view& piece) {
    forget_piece();
    if (has_bytes()) {
        taken_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), most));
        piece = {static_cast<const char*>(buffer_.data().data()), taken_};
        co_return ErrorCode();
    }
    hold_less();
    std::size_t count = 0;
    if (into.empty()) into = {scratch_.bytes.get(), Scratch::kSize};
    auto room = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), most));
    auto failure = co_await read_some(into.data(), room, count);
    piece = {into.data(), count};
    co_return failure;
}

Task<ErrorCode> Connection::read_chunked(Parser& parser, std::size_t most,
                                         std::string_view& piece) {
    forget_piece();
    piece = {};
    while (!parser.is_done()) {
        bool more = !has_bytes();
        if (has_bytes()) {
            auto& body = parser.get().body();
            body.data = scratch_.bytes.get();
            body.size = most;
            ErrorCode failure;
            auto used = parser.put(buffer_.data(), failure);
            buffer_.consume(used);
            piece = {scratch_.bytes.get(), most - body.size};
            if (failure && failure != beast_http::error::need_more &&
                failure != beast_http::error::need_buffer)
                co_return failure;
            if (!piece.empty()) co_return ErrorCode();
            more = failure == beast_http::error::need_more || used == 0;
        }
        if (parser.is_done()) break;
        if (!more) continue;
        auto failure = co_await fill_buffer(kFirstRead);
        if (failure) co_return failure;
    }
    co_return ErrorCode();
}

// --- writing and ending

Task<ErrorCode> Connection::write(std::string head, std::string body) {
    head += body;
    co_return co_await write_all(head);
}

Task<void> Connection::drain() {
    std::string dropped(1024, '\0');
    ErrorCode failure;
    while (!failure && !expired_) {
        std::size_t count = 0;
        failure = co_await read_some(dropped.data(), dropped.size(), count);
    }
}

void Connection::end_our_side() {
    if (closed_) return;
    if (tls_) tls_->end();
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
