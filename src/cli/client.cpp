#include "client.hpp"

#include "json_access.hpp"

#include <belay/cli/cli.hpp>

#include <fmt/format.h>

namespace belay::cli {
namespace {

// Generous: some commands wait for a process to stop.
constexpr std::chrono::seconds kAnswerTime{120};

Errc code_of_status(int status) {
    switch (status) {
        case 400:
        case 415:
        case 422:
            return Errc::invalid;
        case 401:
            return Errc::unauthorized;
        case 403:
            return Errc::forbidden;
        case 404:
            return Errc::not_found;
        case 409:
            return Errc::conflict;
        case 413:
        case 429:
        case 503:
            return Errc::limit;
        case 507:
            return Errc::disk_full;
        default:
            return Errc::internal;
    }
}

}  // namespace

Error error_of_answer(int status, const std::string& body) {
    auto problem = parse_json(body);
    auto message = text_of(problem, "detail");
    if (message.empty()) message = text_of(problem, "title");
    if (message.empty()) message = fmt::format("the daemon answered {}", status);
    return Error{code_of_status(status), std::move(message)};
}

int exit_code(const Error& error) {
    switch (error.code) {
        case Errc::unavailable:
            return kNoDaemon;
        case Errc::unauthorized:
        case Errc::forbidden:
            return kNotAllowed;
        case Errc::not_found:
            return kNoSuchThing;
        default:
            return kFailed;
    }
}

std::string url_encoded(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string encoded;
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            encoded += c;
        else
            encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
    return encoded;
}

Error Client::explained(Error error) const {
    if (error.code == Errc::unavailable)
        error.message += fmt::format(
            "\nIs the daemon running? Start it with `belay serve` (or `systemctl start belay`); "
            "another socket than {} is named by --socket or BELAY_SOCKET.",
            endpoint_.socket);
    else if (error.code == Errc::forbidden)
        error.message +=
            "\nThe socket is for root, the daemon's user and members of its group ([server] "
            "group).";
    return error;
}

Result<Exchange> Client::open(const Request& request) const {
    auto exchange = Exchange::open(endpoint_, request, after(kAnswerTime));
    if (!exchange) return explained(exchange.error());
    if (exchange->status() / 100 == 2) return exchange;
    auto body = exchange->read_all(after(kAnswerTime));
    return error_of_answer(exchange->status(), body ? *body : std::string{});
}

Result<std::string> Client::whole(const Request& request) const {
    auto exchange = open(request);
    if (!exchange) return exchange.error();
    auto body = exchange->read_all(after(kAnswerTime));
    if (!body) return explained(body.error());
    return body;
}

Result<std::string> Client::get(const std::string& target) const {
    return whole(Request{"GET", target, {}, {{"Accept", "application/json"}}});
}

Result<std::string> Client::post(const std::string& target, const std::string& json) const {
    return whole(Request{"POST",
                         target,
                         json,
                         {{"Accept", "application/json"}, {"Content-Type", "application/json"}}});
}

}  // namespace belay::cli
