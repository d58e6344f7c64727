#include "body_reader.hpp"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include <algorithm>

namespace belay::http {
namespace {

Error read_error(const Connection& connection, ErrorCode failure) {
    if (connection.expired()) return Error{Errc::timeout, "the body did not come in time"};
    // Errors of the parser, as against those of the socket.
    if (failure.category() == make_error_code(boost::beast::http::error::bad_chunk).category() &&
        failure != boost::beast::http::error::partial_message &&
        failure != boost::beast::http::error::end_of_stream)
        return Error{Errc::invalid, "the body is no valid HTTP: " + failure.message()};
    return Error{Errc::unavailable, "the sender has gone"};
}

}  // namespace

std::optional<std::uint64_t> BodyReader::length() const {
    if (parser_.chunked()) return std::nullopt;
    if (auto announced = parser_.content_length()) return *announced;
    return 0;
}

bool BodyReader::done() const {
    auto announced = length();
    return announced ? received_ == *announced : parser_.is_done();
}

// Grows with what has come, so that a trickle ends soon and a slow line does not.
void BodyReader::set_deadline() {
    auto allowed = options_.body_grace +
                   Millis(received_ * 1000 / std::max<std::uint64_t>(options_.body_rate, 1));
    connection_.expires_at(began_ + std::min<Millis>(allowed, options_.body_timeout));
}

Task<Result<void>> BodyReader::begin() {
    begun_ = true;
    connection_.enter(Phase::body);
    began_ = std::chrono::steady_clock::now();
    set_deadline();
    auto expect = parser_.get()[boost::beast::http::field::expect];
    if (expect.empty() || connection_.has_bytes()) co_return Result<void>();
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    auto failure = co_await connection_.write(std::move(go_on), std::string());
    if (failure) co_return read_error(connection_, failure);
    co_return Result<void>();
}

std::optional<std::string_view> BodyReader::whole() {
    auto announced = length();
    if (begun_ || !announced) return std::nullopt;
    auto bytes = connection_.take_buffered(*announced);
    if (bytes) received_ = *announced;
    return bytes;
}

Task<Result<std::string_view>> BodyReader::next(std::uint64_t limit, std::size_t most,
                                                std::span<char> into) {
    if (done()) co_return std::string_view();
    if (!begun_) {
        auto begun = co_await begin();
        if (!begun) co_return begun.error();
    }
    std::string_view piece;
    ErrorCode failure;
    if (auto announced = length())
        failure = co_await connection_.read_raw(
            std::min<std::uint64_t>(*announced - received_, most), into, piece);
    else
        failure = co_await connection_.read_chunked(parser_, most, piece);
    if (failure) co_return read_error(connection_, failure);
    received_ += piece.size();
    connection_.body_bytes = received_;
    if (received_ > limit) co_return Error{Errc::limit, "the body is too large"};
    set_deadline();
    if (done()) {
        // What is waited for from now on is not the sender.
        connection_.enter(Phase::answering);
        connection_.expires_never();
    }
    co_return piece;
}

Task<Result<std::string>> BodyReader::all(std::uint64_t limit) {
    std::string bytes;
    if (auto announced = length(); announced && *announced > limit)
        co_return Error{Errc::limit, "the body is too large"};
    while (true) {
        auto piece = co_await next(limit);
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return bytes;
        bytes += *piece;
    }
}

}  // namespace belay::http
