// One accepted socket, with or without TLS, and its deadline.
#pragma once

#include "peer.hpp"
#include "tls.hpp"

#include <belay/async/event.hpp>
#include <belay/async/task.hpp>
#include <belay/base/address.hpp>
#include <belay/base/time.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace belay::http {

using Socket = boost::asio::generic::stream_protocol::socket;
using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
using ErrorCode = boost::system::error_code;

// What it is busy with: who may be closed to make room, and who at a stop.
enum class Phase { opening, idle, head, body, answering, streaming };

// What all connections share.
struct Scratch {
    // What a read may fill: one for all, as most of them wait most of the time. Nothing in it
    // outlives a co_await.
    static constexpr std::size_t kSize = std::size_t{64} * 1024;
    std::unique_ptr<char[]> bytes = std::make_unique<char[]>(kSize);
    // In the connections' own buffers. While it is little, idle ones keep theirs.
    static constexpr std::size_t kMuchBuffered = std::size_t{2} * 1024 * 1024;
    std::size_t buffered = 0;
};

// Loop thread only. Every operation ends when the deadline passes; `expired()` tells that from
// other failures.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    // Of a delivery by GET; all other heads end at 16 KiB.
    static constexpr std::size_t kLongestHead = std::size_t{128} * 1024;

    // The scratch outlives it.
    Connection(Socket socket, Peer peer, const Address& address, Scratch& scratch);
    ~Connection();

    const Peer& peer() const { return peer_; }
    // The other end of the socket; zero for a local one.
    const Address& address() const { return address_; }
    bool encrypted() const { return tls_ != nullptr; }
    // Whose requests these are, as far as known: see client_of().
    Address client;
    bool client_known = false;  // a proxy's connection says so only by its first request

    Phase phase = Phase::opening;
    // Since when it has been waited for, and how much of a body has come meanwhile.
    std::chrono::steady_clock::time_point waiting_since{};
    std::uint64_t body_bytes = 0;
    void enter(Phase next);

    void expires_after(Millis delay);
    void expires_at(std::chrono::steady_clock::time_point deadline);
    void expires_never();
    bool expired() const { return expired_; }

    // Whether TLS begins with what the peer has sent; waits for its first byte.
    Task<bool> speaks_tls();
    // The handshake; the costly part of it runs on the pool.
    Task<ErrorCode> secure(std::shared_ptr<SSL_CTX> context, boost::asio::thread_pool& pool);

    // Reads something into the buffer unless there is something.
    Task<ErrorCode> wait_for_bytes();
    bool has_bytes() const { return buffer_.size() > 0; }
    // bad_line_ending or bad_obs_fold also for what some servers take for the end of a line, and
    // others don't.
    Task<ErrorCode> read_head(Parser& parser);
    // The next `count` bytes where all of them have come with the head; valid until the next read.
    std::optional<std::string_view> take_buffered(std::uint64_t count);
    // Up to `most` bytes of what follows the head, without looking at them. They lie in the buffer,
    // else in `into`, or in the scratch where that is empty, until the next read or co_await.
    Task<ErrorCode> read_raw(std::uint64_t most, std::span<char> into, std::string_view& piece);
    // The next piece of a body in chunks, in the scratch; empty at its end.
    Task<ErrorCode> read_chunked(Parser& parser, std::size_t most, std::string_view& piece);
    Task<ErrorCode> write(std::string head, std::string body);
    // Ends our side, then reads and drops what still comes, so that the peer sees the answer and no
    // reset.
    Task<void> linger();

    // Reads and drops what comes from now on; `gone` is set when the peer has ended or the
    // connection is closed.
    Task<void> watch();
    async::Event gone;
    // After watch(): ends our side and waits until the peer ends its own.
    Task<void> finish();

    void close();

  private:
    Task<void> drain();
    void end_our_side();
    void arm();
    void expire();
    // One attempt, without waiting.
    Progress try_read(char* into, std::size_t most, std::size_t& count);
    Progress try_write(const char* from, std::size_t size, std::size_t& count);
    Task<ErrorCode> wait_on(Progress wanted);
    Task<ErrorCode> read_some(char* into, std::size_t most, std::size_t& count);
    Task<ErrorCode> write_all(std::string_view bytes);
    bool hold_less();
    Task<ErrorCode> fill_buffer(std::size_t most);
    void forget_piece();
    void count_buffer();

    Scratch& scratch_;
    Socket socket_;
    std::unique_ptr<TlsSession> tls_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
    bool armed_ = false;
    bool expired_ = false;  // until a new deadline is set
    bool closed_ = false;
    bool on_pool_ = false;  // its socket is another thread's
    boost::beast::flat_buffer buffer_;
    std::size_t counted_ = 0;  // of the buffer, in the scratch's sum
    std::size_t taken_ = 0;    // of the buffer, by the last piece
    int without_waiting_ = 0;  // reads since the loop had its turn
    ErrorCode socket_error_;
    Peer peer_;
    Address address_;
};

}  // namespace belay::http
