#include "message.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <ctime>

namespace belay::http {
namespace {

int status_of(Errc code) {
    switch (code) {
        case Errc::invalid:
            return 400;
        case Errc::unauthorized:
            return 401;
        case Errc::forbidden:
            return 403;
        case Errc::not_found:
            return 404;
        case Errc::conflict:
        case Errc::canceled:
            return 409;
        case Errc::limit:
            return 429;
        case Errc::unavailable:
            return 503;
        case Errc::timeout:
            return 504;
        case Errc::disk_full:
            return 507;
        case Errc::internal:
            return 500;
    }
    return 500;
}

// RFC 9110 §5.6.7
std::string http_date() {
    auto now = std::time(nullptr);
    static std::time_t made_at = 0;
    static std::string made;
    if (made.empty() || now != made_at) {
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        std::array<char, 64> text{};
        auto length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
        made.assign(text.data(), length);
        made_at = now;
    }
    return made;
}

}  // namespace

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 507:
            return "Insufficient Storage";
        default:
            return "Status";
    }
}

Response problem(int status, std::string_view code, std::string_view detail) {
    nlohmann::ordered_json body{{"type", "about:blank"},
                                {"title", reason_phrase(status)},
                                {"status", status},
                                {"detail", detail},
                                {"code", code}};
    Response response;
    response.status = status;
    response.content_type = "application/problem+json";
    response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    return response;
}

Response problem(const Error& error) {
    if (error.code != Errc::internal)
        return problem(status_of(error.code), to_string(error.code), error.message);
    log::error("a request failed", {{"error", error.message}});
    return problem(500, "internal", "the daemon could not do it; its log says why");
}

Response wait_first(Seconds wait) {
    static const auto answer = problem(429, "limit", "too many requests; wait before the next one");
    auto response = answer;
    response.headers.emplace_back("Retry-After", fmt::to_string(wait.count()));
    return response;
}

std::string response_head(const Response& response, std::optional<std::size_t> length,
                          bool keep_alive, int version) {
    auto head = fmt::format(
        "HTTP/1.{} {} {}\r\nDate: {}\r\nConnection: {}\r\nCache-Control: "
        "no-store\r\nX-Content-Type-Options: nosniff\r\n",
        version == 10 ? 0 : 1, response.status, reason_phrase(response.status), http_date(),
        keep_alive ? "keep-alive" : "close");
    if (!response.content_type.empty())
        head += fmt::format("Content-Type: {}\r\n", response.content_type);
    if (length)
        head += fmt::format("Content-Length: {}\r\n", *length);
    else if (version != 10)
        head += "Transfer-Encoding: chunked\r\n";
    for (const auto& [name, value] : response.headers)
        head += fmt::format("{}: {}\r\n", name, value);
    return head += "\r\n";
}

}  // namespace belay::http
