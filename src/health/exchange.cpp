#include "exchange.hpp"

#include <belay/health/prober.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <array>

namespace belay::health {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t kHeaderBytes = 64 << 10;
// A read fetches this much at once; headers and chunk sizes must fit too.
constexpr std::size_t kBufferBytes = 128 << 10;
constexpr int kInterimAnswers = 8;

// buffer_body, as the others reserve what the answer's Content-Length claims.
using Parser = http::response_parser<http::buffer_body>;

http::request<http::empty_body> make_request(const Request& request) {
    http::request<http::empty_body> message;
    message.version(11);
    message.method_string(request.method);
    message.target(request.path);
    message.set(http::field::host, request.host);
    message.set(http::field::user_agent, "belay/" BELAY_VERSION " (health)");
    message.set(http::field::accept, "*/*");
    for (const auto& [name, value] : request.headers)
        message.set(name, value);
    message.set(http::field::connection, "close");
    return message;
}

std::string words(const Connection& connection, const boost::system::error_code& failure,
                  bool answered) {
    if (failure == http::error::end_of_stream) return "the connection was closed without an answer";
    if (failure == http::error::partial_message)
        return answered ? "the connection was closed within the body"
                        : "the connection was closed within the header";
    if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
        return "the answer's header is larger than 64 KiB";
    if (failure.category() == http::make_error_code(http::error::bad_version).category())
        return "the answer is no HTTP: " + failure.message();
    auto text = connection.words(failure);
    return answered && text.starts_with("timed out") ? text + ", within the body" : text;
}

void note(const Parser& parser, Answer& answer) {
    const auto& message = parser.get();
    answer.status = message.result_int();
    answer.location = message[http::field::location];
    answer.release = message[kReleaseHeader];
}

Task<void> read_body(Connection& connection, boost::beast::flat_buffer& buffer, Parser& parser,
                     std::size_t most, Answer& answer) {
    std::array<char, 8 << 10> chunk;
    while (!parser.is_done() && answer.body.size() < most) {
        auto& body = parser.get().body();
        auto room = std::min(chunk.size(), most - answer.body.size());
        body.data = chunk.data();
        body.size = room;
        body.more = true;
        auto [failure, size] = co_await http::async_read_some(connection.socket(), buffer, parser,
                                                              asio::as_tuple(asio::use_awaitable));
        answer.body.append(chunk.data(), room - body.size);
        if (failure && failure != http::error::need_buffer) {
            answer.error = words(connection, failure, true);
            co_return;
        }
    }
}

}  // namespace

Task<Answer> exchange(Connection& connection, Request request, std::size_t body_bytes) {
    Answer answer;
    auto message = make_request(request);
    auto [unsent, written] = co_await http::async_write(connection.socket(), message,
                                                        asio::as_tuple(asio::use_awaitable));
    // A server may answer and close without reading all.
    if (unsent && unsent != asio::error::broken_pipe && unsent != asio::error::connection_reset) {
        answer.error = words(connection, unsent, false);
        co_return answer;
    }
    boost::beast::flat_buffer buffer(kBufferBytes);
    for (int i = 0; i < kInterimAnswers; ++i) {
        Parser parser;
        parser.header_limit(kHeaderBytes);
        parser.body_limit(boost::none);
        parser.skip(request.method == "HEAD");
        auto [failure, size] = co_await http::async_read_header(
            connection.socket(), buffer, parser, asio::as_tuple(asio::use_awaitable));
        if (failure) {
            answer.error = words(connection, failure, false);
            co_return answer;
        }
        note(parser, answer);
        if (answer.status >= 200) {
            co_await read_body(connection, buffer, parser, body_bytes, answer);
            co_return answer;
        }
    }
    answer.error = "no final answer came after several interim ones";
    co_return answer;
}

}  // namespace belay::health
