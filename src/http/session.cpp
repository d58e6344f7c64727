#include "session.hpp"

#include "client_address.hpp"

#include <belay/base/log.hpp>

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include <algorithm>
#include <exception>

namespace belay::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::uint64_t kApiBody = 256 * 1024;
// A little that nobody asked for is read away, so that the connection can go on.
constexpr std::uint64_t kUnwantedBody = 16 * 1024;

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

class Session {
  public:
    Session(Shared& shared, Connection& connection)
        : shared_(shared), connection_(connection), options_(shared.context.options) {}

    Task<void> run() {
        connection_.expires_after(options_.header_timeout);
        bool goes_on = connection_.peer().local || co_await open();
        bool first = true;
        while (goes_on && !shared_.stopping) {
            connection_.enter(first ? Phase::head : Phase::idle);
            connection_.expires_after(first ? options_.header_timeout : options_.idle_timeout);
            first = false;
            const auto nothing_came = co_await connection_.wait_for_bytes();
            if (nothing_came) break;
            goes_on = co_await one_request();
        }
        connection_.close();
    }

  private:
    // False: the connection ends.
    Task<bool> open();
    Task<bool> one_request();
    Task<bool> refuse_head(ErrorCode failure);
    bool is_stranger(const Request& request) const;
    void limit(const Request& request, bool hook, Response& response);
    Request request_of(const Parser& parser);
    std::optional<Response> check_head(const Parser& parser, Request& request) const;
    Task<bool> dispatch(Request& request, Parser& parser, BodyReader& reader);
    Task<Response> plain(const Route& route, Request& request, BodyReader& reader);
    Task<std::optional<Response>> streamed(const Route& route, Request& request, BodyReader& reader,
                                           Stream& stream);
    Task<std::optional<Response>> read_api_body(Request& request, BodyReader& reader);
    Task<bool> answer(Response response, const Request& request, Parser& parser, BodyReader& reader,
                      bool hook = false);
    Task<bool> end(Response response, int version, bool head_only = false);

    Shared& shared_;
    Connection& connection_;
    const Options& options_;
    std::string api_body_;
};

// A plain request on a TLS listener is served where it comes from this machine, as Belay's own
// proxy sends it.
Task<bool> Session::open() {
    if (!shared_.tls.wanted()) co_return true;
    const bool tls = co_await connection_.speaks_tls();
    if (connection_.expired()) co_return false;
    if (!tls) {
        if (is_loopback(connection_.address())) co_return true;
        auto response =
            problem(400, "invalid", "this is HTTPS: the address must begin with https://");
        co_return co_await end(std::move(response), 11);
    }
    auto context = shared_.tls.context();
    if (!context || shared_.limits.shut_out(connection_.address())) co_return false;
    const auto failure = co_await connection_.secure(std::move(context), shared_.handshakes);
    if (failure) shared_.limits.refused(connection_.address());
    co_return !failure;
}

Task<bool> Session::one_request() {
    connection_.enter(Phase::head);
    connection_.expires_after(options_.header_timeout);
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(Connection::kLongestHead));
    parser.body_limit(boost::none);  // each route has its own
    auto failure = co_await connection_.read_head(parser);
    if (failure) co_return co_await refuse_head(failure);
    connection_.enter(Phase::answering);
    connection_.expires_never();
    auto request = request_of(parser);
    BodyReader reader(connection_, parser, options_);
    if (!request.peer.local)
        if (auto wait = shared_.limits.shut_out(request.client)) {
            auto response = wait_first(*wait);
            co_return co_await end(std::move(response), static_cast<int>(parser.get().version()));
        }
    if (auto refusal = check_head(parser, request)) {
        refusal->close = true;
        co_return co_await answer(std::move(*refusal), request, parser, reader);
    }
    co_return co_await dispatch(request, parser, reader);
}

Task<bool> Session::refuse_head(ErrorCode failure) {
    if (connection_.expired() || failure == beast_http::error::end_of_stream) co_return false;
    std::optional<Response> response;
    if (failure == beast_http::error::header_limit || failure == beast_http::error::buffer_overflow)
        response = problem(431, "limit", "the request's header is larger than 16 KiB");
    else if (failure.category() == make_error_code(beast_http::error::bad_method).category() &&
             failure != beast_http::error::partial_message)
        response = problem(400, "invalid", "this is no valid HTTP request");
    if (!response) co_return false;
    // Whose it is stands in the head, which can't be read: it is the peer's.
    Request request;
    request.peer = connection_.peer();
    request.client = connection_.client;
    limit(request, false, *response);
    co_return co_await end(std::move(*response), 11);
}

Request Session::request_of(const Parser& parser) {
    const auto& head = parser.get();
    Request request;
    request.raw.method = head.method_string();
    request.raw.target = head.target();
    for (const auto& field : head)
        request.raw.headers.emplace_back(field.name_string(), field.value());
    request.raw.received_at = shared_.context.timers.now();
    request.peer = connection_.peer();
    if (!request.peer.local) {
        request.client =
            client_of(connection_.address(), shared_.trusted_proxies, request.raw.headers);
        connection_.client = request.client;
        connection_.client_known = true;
        request.in_the_clear =
            !connection_.encrypted() &&
            came_in_the_clear(request, connection_.address(), shared_.trusted_proxies);
    }
    return request;
}

bool Session::is_stranger(const Request& request) const {
    return !request.peer.local && request.peer.role == Role::none && !request.authenticated;
}

// The one place where strangers are counted. That a limit is reached must not tell whether there is
// such an app, so all that refuse count alike.
void Session::limit(const Request& request, bool hook, Response& response) {
    if (!is_stranger(request)) return;
    const bool refusal = response.status >= 400 && response.status < 500;
    std::string_view app =
        hook && !request.args.empty() ? request.args.front() : std::string_view();
    auto wait = refusal ? shared_.limits.refused(request.client, app)
                        : shared_.limits.served(request.client);
    if (!wait) return;
    const bool close = response.close;
    response = wait_first(*wait);
    response.close = close;
}

std::optional<Response> Session::check_head(const Parser& parser, Request& request) const {
    const auto& head = parser.get();
    // RFC 9112 §6.1: a coding that is not known, or one from a time before there were any, leaves
    // open where the body ends.
    auto codings = head.count(beast_http::field::transfer_encoding);
    if (codings > 0) {
        auto coding = head[beast_http::field::transfer_encoding];
        if (codings > 1 || head.version() < 11 ||
            !equal_ignoring_case({coding.data(), coding.size()}, "chunked"))
            return problem(400, "invalid",
                           "the only transfer coding that is understood is \"chunked\", once");
    }
    // RFC 9112 §3.2
    if (head.version() > 10 && head.count(beast_http::field::host) != 1)
        return problem(400, "invalid", "a request has one Host header");
    auto expect = head[beast_http::field::expect];
    if (!expect.empty() && !equal_ignoring_case({expect.data(), expect.size()}, "100-continue"))
        return problem(417, "invalid", "the only expectation that is met is 100-continue");
    auto target = parse_target(request.raw.target);
    if (!target) return problem(target.error());
    request.target = std::move(*target);
    return std::nullopt;
}

Task<bool> Session::dispatch(Request& request, Parser& parser, BodyReader& reader) {
    auto found = co_await shared_.guard.admit(request);
    if (!found.route) co_return co_await answer(std::move(found.refusal), request, parser, reader);
    const auto& route = *found.route;
    if (route.hook) {
        auto response = co_await shared_.hooks.deliver(request, reader);
        co_return co_await answer(std::move(response), request, parser, reader, true);
    }
    if (route.handler) {
        auto response = co_await plain(route, request, reader);
        co_return co_await answer(std::move(response), request, parser, reader);
    }
    Stream stream(connection_, shared_.tasks, options_, static_cast<int>(parser.get().version()));
    auto response = co_await streamed(route, request, reader, stream);
    if (response) co_return co_await answer(std::move(*response), request, parser, reader);
    // The watcher reads until the peer ends.
    connection_.expires_after(options_.linger);
    co_await connection_.finish();
    co_return false;
}

// A body is taken only from those who may act, and only as JSON.
Task<std::optional<Response>> Session::read_api_body(Request& request, BodyReader& reader) {
    if (reader.length() == std::uint64_t{0}) co_return std::nullopt;
    auto type = request.header("Content-Type");
    if (!equal_ignoring_case(type.substr(0, type.find_first_of("; \t")), "application/json"))
        co_return problem(415, "invalid", "the body must be application/json");
    auto body = co_await reader.all(kApiBody);
    if (!body) {
        auto response = body.error().code == Errc::limit
                            ? problem(413, "limit", "the body is larger than 256 KiB")
                            : problem(body.error());
        response.close = true;
        co_return response;
    }
    api_body_ = std::move(*body);
    request.raw.body = api_body_;
    co_return std::nullopt;
}

Task<Response> Session::plain(const Route& route, Request& request, BodyReader& reader) {
    if (route.method != "POST") co_return co_await route.handler(shared_.context, request);
    if (auto refusal = co_await read_api_body(request, reader)) co_return std::move(*refusal);
    co_return co_await shared_.guard.act(route, request);
}

Task<std::optional<Response>> Session::streamed(const Route& route, Request& request,
                                                BodyReader& reader, Stream& stream) {
    if (request.raw.method == "HEAD") {
        auto refusal = problem(405, "invalid", "this address answers GET, OPTIONS");
        refusal.headers.emplace_back("Allow", "GET, OPTIONS");
        co_return refusal;
    }
    // A token that ends takes its streams with it.
    auto watch =
        shared_.context.access.watch(request.caller.token, [this] { connection_.close(); });
    if (route.method != "POST") co_return co_await route.stream(shared_.context, request, stream);
    if (auto refusal = co_await read_api_body(request, reader)) co_return refusal;
    co_return co_await shared_.guard.act(route, request, stream);
}

Task<bool> Session::answer(Response response, const Request& request, Parser& parser,
                           BodyReader& reader, bool hook) {
    limit(request, hook, response);
    if (hook && response.status >= 400) ++shared_.refused_hooks[response.status];
    int version = static_cast<int>(parser.get().version());
    // A body that nobody has read would be taken for the next request.
    if (!reader.done() && !response.close) {
        bool waits = !parser.get()[beast_http::field::expect].empty();
        auto length = reader.length();
        response.close =
            waits || !length || *length > kUnwantedBody || !co_await reader.all(kUnwantedBody);
    }
    if (response.close || shared_.stopping || !parser.get().keep_alive())
        co_return co_await end(std::move(response), version, request.raw.method == "HEAD");
    connection_.expires_after(options_.write_timeout);
    auto head = response_head(response, response.body.size(), true, version);
    if (request.raw.method == "HEAD") response.body.clear();
    auto failure = co_await connection_.write(std::move(head), std::move(response.body));
    co_return !failure;
}

Task<bool> Session::end(Response response, int version, bool head_only) {
    connection_.expires_after(options_.write_timeout);
    auto head = response_head(response, response.body.size(), false, version);
    if (head_only) response.body.clear();
    auto failure = co_await connection_.write(std::move(head), std::move(response.body));
    if (failure) co_return false;
    connection_.expires_after(options_.linger);
    co_await connection_.linger();
    co_return false;
}

}  // namespace

// One bad request must not end the daemon, so what is thrown ends here.
Task<void> serve(Shared& shared, std::shared_ptr<Connection> connection) {
    try {
        Session session(shared, *connection);
        co_await session.run();
    } catch (const std::exception& exception) {
        log::error("a connection failed in a way that it should not",
                   {{"error", exception.what()}});
    }
    connection->close();
}

}  // namespace belay::http
