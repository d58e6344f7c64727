#include "client.hpp"

#include "json_access.hpp"

#include <belay/cli/cli.hpp>

#include <fmt/format.h>

#include <charconv>

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

Result<Endpoint> endpoint_of_url(std::string_view url) {
    auto bad = [&](std::string_view why) {
        return Error{Errc::invalid,
                     fmt::format("the daemon's address (--url or BELAY_URL) {}; it is like "
                                 "https://deploy.example.com",
                                 why)};
    };
    Endpoint endpoint;
    endpoint.tls = url.starts_with("https://");
    if (!endpoint.tls && !url.starts_with("http://")) return bad("begins with https://");
    url.remove_prefix(endpoint.tls ? 8 : 7);
    // The address itself is not repeated: it might hold a password.
    if (url.find_first_of("@?# ") != url.npos) return bad("has no user, no query and no spaces");
    auto authority = url.substr(0, url.find('/'));
    endpoint.base = url.substr(authority.size());
    while (endpoint.base.ends_with('/'))
        endpoint.base.pop_back();
    auto bracket = authority.find(']');
    auto colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
    auto host = authority.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    endpoint.host = host;
    endpoint.port = endpoint.tls ? "443" : "80";
    if (colon != authority.npos) endpoint.port = authority.substr(colon + 1);
    int port = 0;
    const auto* end = endpoint.port.data() + endpoint.port.size();
    auto [parsed, failure] = std::from_chars(endpoint.port.data(), end, port);
    if (failure != std::errc{} || parsed != end || port < 1 || port > 65'535)
        return bad("has a port that is none");
    if (endpoint.host.empty()) return bad("has no host");
    bool here =
        endpoint.host == "localhost" || endpoint.host == "::1" || endpoint.host.starts_with("127.");
    if (!endpoint.tls && !here)
        return bad(
            "is http:// to another machine, where others could read the token: use https://");
    return endpoint;
}

Error Client::explained(Error error) const {
    if (endpoint_.socket.empty()) {
        if (error.code == Errc::unavailable)
            error.message +=
                "\nIs the daemon running, and does --url or BELAY_URL name its address?";
        return error;
    }
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

Result<Exchange> Client::open(const Request& asked) const {
    auto request = asked;
    if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_.reveal());
    auto exchange = Exchange::open(endpoint_, request, after(kAnswerTime));
    if (!exchange) return explained(exchange.error());
    if (exchange->status() / 100 == 2) return exchange;
    auto body = exchange->read_all(after(kAnswerTime));
    auto error = error_of_answer(exchange->status(), body ? *body : std::string{});
    if (exchange->status() / 100 == 3)
        error.message += ", which sends elsewhere: --url or BELAY_URL names the address itself";
    if (exchange->status() == 401 && endpoint_.socket.empty())
        error.message +=
            token_.empty() ? "\nBELAY_TOKEN holds it." : "\nThe token is the one in BELAY_TOKEN.";
    return error;
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
