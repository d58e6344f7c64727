#include "status_wire.hpp"

#include "encode.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace belay::forge {
namespace {

// Length of the UTF-8 sequence that begins the text; 0: what begins it is none (RFC 3629).
std::size_t sequence(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                               : first >= 0xE0 && first <= 0xEF ? 3
                               : first >= 0xF0 && first <= 0xF4 ? 4
                                                                : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    const bool beyond = first == 0xF4 && byte(1) > 0x8F;
    return overlong || surrogate || beyond ? 0 : length;
}

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t number = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size() || number < 0)
        return std::nullopt;
    return number;
}

constexpr Millis kLongestPause{3'600'000};

// Retry-After, or GitHub's time at which its limit is reset.
std::optional<Millis> wanted_pause(const HttpAnswer& answer, TimePoint now) {
    if (auto pause = answer.retry_after(now)) return std::min(*pause, kLongestPause);
    if (answer.header("X-RateLimit-Remaining") != "0") return std::nullopt;
    auto reset = number_of(answer.header("X-RateLimit-Reset"));
    if (!reset || *reset > 1'000'000'000'000) return std::nullopt;
    auto left = Seconds(*reset) - std::chrono::floor<Seconds>(now.time_since_epoch());
    return std::clamp<Millis>(left + Seconds(1), Millis{1'000}, kLongestPause);
}

// What the forge says of itself: the first of the fields that hold such a text, {"message": ...},
// {"error": {"message": ...}} and {"errors": [{"message": ...}]} included.
std::string message_of(const std::string& body) {
    auto json = Json::parse(body, nullptr, false);
    std::string text;
    auto take = [&](const Json& from) {
        for (const auto* field : {"message", "error", "error_description"})
            if (text.empty() && from.is_object() && from.contains(field)) {
                if (from[field].is_string()) text = from[field].get<std::string>();
                if (from[field].is_object() && from[field].contains("message") &&
                    from[field]["message"].is_string())
                    text = from[field]["message"].get<std::string>();
                if (from[field].is_object() && text.empty()) text = from[field].dump();
            }
    };
    if (json.is_object() && json.contains("errors") && json["errors"].is_array())
        for (const auto& each : json["errors"]) {
            if (each.is_string() && text.empty()) text = each.get<std::string>();
            take(each);
        }
    auto details = std::exchange(text, {});
    take(json);
    if (!details.empty() && details != text) text += (text.empty() ? "" : ": ") + details;
    return cut(text, 200);
}

std::string cure_of(int status) {
    switch (status) {
        case 401:
            return "the forge does not know [status] token, or it has expired";
        case 403:
            return "[status] token may not do this: it lacks the scope";
        case 404:
            return "no such repository or commit, or [status] token may not see it; where the "
                   "forge's API lies elsewhere, name it in [status] url";
        case 409:
            return "it does not fit what the forge has already";
        default:
            return "the forge refuses it";
    }
}

}  // namespace

std::string cut(std::string_view text, std::size_t limit) {
    std::vector<std::string_view> characters;
    while (!text.empty()) {
        auto length = sequence(text);
        const bool control = static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7F;
        if (length == 0)
            characters.emplace_back("\xEF\xBF\xBD");
        else
            characters.push_back(control ? std::string_view(" ") : text.substr(0, length));
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    if (characters.size() > limit) {
        characters.resize(limit);
        if (limit > 0) characters.back() = "\xE2\x80\xA6";
    }
    std::string result;
    for (auto character : characters)
        result += character;
    return result;
}

std::string status_key(std::string_view app) {
    constexpr std::size_t kLimit = 40;
    constexpr std::size_t kHashed = 16;
    auto key = "belay/" + std::string(app);
    if (key.size() <= kLimit) return key;
    unsigned char digest[EVP_MAX_MD_SIZE];
    std::size_t size = sizeof digest;
    EVP_Q_digest(nullptr, "SHA256", nullptr, app.data(), app.size(), digest, &size);
    std::string hash = "-";
    for (std::size_t i = 0; i < kHashed / 2; ++i)
        hash += fmt::format("{:02x}", digest[i]);
    return key.substr(0, kLimit - hash.size()) + hash;
}

std::string url_encoded(std::string_view text) {
    auto is_hex = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || std::string_view("-._~").find(c) != text.npos;
        const bool encoded =
            c == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
        result += plain || encoded ? std::string(1, c)
                                   : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
}

std::string path_encoded(std::string_view path) {
    std::string result;
    while (true) {
        auto end = std::min(path.find('/'), path.size());
        result += url_encoded(path.substr(0, end));
        if (end == path.size()) return result;
        result += '/';
        path.remove_prefix(end + 1);
    }
}

std::string short_ref(std::string_view ref) {
    for (std::string_view prefix : {"refs/heads/", "refs/tags/"})
        if (ref.starts_with(prefix)) return std::string(ref.substr(prefix.size()));
    return std::string(ref);
}

std::string within(const std::string& url, std::size_t limit, const std::string& otherwise) {
    return !url.empty() && url.size() <= limit ? url : otherwise;
}

std::string commit_page(const Place& place, std::string_view commit) {
    const bool bitbucket = place.forge == "bitbucket-cloud" || place.forge == "bitbucket-server";
    return place.web + (bitbucket ? "/commits/" : "/commit/") + std::string(commit);
}

Outcome outcome_of(const ports::StatusReport& report) {
    using domain::Reason;
    using domain::State;
    switch (report.state) {
        case State::queued:
            return Outcome::queued;
        case State::healthy:
            return Outcome::healthy;
        case State::failed:
            return domain::blame_of(report.reason) == domain::Blame::user ? Outcome::failed
                                                                          : Outcome::error;
        case State::rolled_back:
            return Outcome::rolled_back;
        case State::canceled:
        case State::superseded:
            return Outcome::canceled;
        default:
            return Outcome::running;
    }
}

HttpRequest post(std::string url, const Json& body, const Secret& token) {
    HttpRequest request;
    request.url = std::move(url);
    request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    request.secrets = {token};
    return request;
}

void add_bearer(HttpRequest& request, const Secret& token) {
    request.headers.emplace_back("Authorization", "Bearer " + token.reveal());
}

void add_basic(HttpRequest& request, std::string_view credentials) {
    request.headers.emplace_back("Authorization", "Basic " + to_base64(credentials));
}

void add_bearer_or_basic(HttpRequest& request, const Secret& token) {
    if (token.reveal().find(':') == std::string::npos)
        add_bearer(request, token);
    else
        add_basic(request, token.reveal());
}

ports::Verdict judge_status(const HttpAnswer& answer, TimePoint now) {
    using Kind = ports::Verdict::Kind;
    const auto status = answer.status;
    if (status / 100 == 2) return {};
    auto said = message_of(answer.body);
    auto pause = wanted_pause(answer, now);
    if (status == 408 || status == 425 || status == 429 || status / 100 == 5 ||
        (status == 403 && pause))
        return {Kind::retry, fmt::format("answered {}{}{}", status, said.empty() ? "" : ": ", said),
                pause.value_or(Millis{0})};
    if (status / 100 == 3)
        return {Kind::give_up,
                fmt::format("answered {}, a redirection to {}: name the address of its API in "
                            "[status] url",
                            status, cut(answer.header("Location"), 200)),
                Millis{0}};
    return {Kind::give_up,
            fmt::format("answered {}: {}{}", status, cure_of(status),
                        said.empty() ? "" : fmt::format(" (\"{}\")", said)),
            Millis{0}};
}

ports::StatusForge::Step SingleStatus::next(const ports::StatusReport& report, const Secret& token,
                                            const std::vector<HttpAnswer>& answers,
                                            TimePoint now) const {
    if (!answers.empty()) return verdict(answers.back(), now);
    return request(report, place_of(report.repo, name(), report.api_url), token);
}

}  // namespace belay::forge
