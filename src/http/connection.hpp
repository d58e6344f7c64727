// One accepted socket with its deadline.
#pragma once

#include "peer.hpp"

#include <belay/async/event.hpp>
#include <belay/async/task.hpp>
#include <belay/base/time.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace belay::http {

using Socket = boost::asio::generic::stream_protocol::socket;
using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
using ErrorCode = boost::system::error_code;

// What it is busy with: who may be closed to make room, and who at a stop.
enum class Phase { idle, head, body, answering, streaming };

// Loop thread only. Every operation ends when the deadline passes; `expired()` tells that from
// other failures.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Socket socket, Peer peer);

    const Peer& peer() const { return peer_; }
    Phase phase = Phase::head;
    std::chrono::steady_clock::time_point phase_since{};
    void enter(Phase next);

    void expires_after(Millis delay);
    void expires_at(std::chrono::steady_clock::time_point deadline);
    void expires_never();
    bool expired() const { return expired_; }

    // Reads something into the buffer unless there is something.
    Task<ErrorCode> wait_for_bytes();
    bool has_bytes() const { return buffer_.size() > 0; }
    Task<ErrorCode> read_head(Parser& parser);
    // Into the parser's body buffer; `need_buffer` is no error here.
    Task<ErrorCode> read_body(Parser& parser);
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

    Socket socket_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
    bool armed_ = false;
    bool expired_ = false;  // until a new deadline is set
    bool closed_ = false;
    boost::beast::flat_buffer buffer_;
    Peer peer_;
};

}  // namespace belay::http
