// Matrix: PUT /_matrix/client/v3/rooms/ROOM/send/m.room.message/TXN (spec.matrix.org, Client-Server
// API v1.7, §10.5). The transaction id makes retries harmless; `m.mentions` empty means that no
// name in the text calls anybody. An event is at most 65,536 bytes.
#include "channel.hpp"
#include "text.hpp"

#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kPlain = 16'000;
constexpr std::size_t kFormatted = 24'000;

std::string formatted(const Words& words) {
    std::string text = "<strong>" + html(words.title) + "</strong>";
    if (!words.summary.empty()) text += "<p>" + html(words.summary) + "</p>";
    if (!words.facts.empty()) {
        text += "<ul>";
        for (const auto& [label, value] : words.facts)
            text += "<li>" + html(label) + ": " + html(value) + "</li>";
        text += "</ul>";
    }
    if (!words.log.empty()) text += "<pre><code>" + html(log_text(words)) + "</code></pre>";
    if (!words.command.empty()) text += "<p>Next: <code>" + html(words.command) + "</code></p>";
    if (words.link.starts_with("http"))
        text += "<p><a href=\"" + html(words.link) + "\">Details</a></p>";
    return text;
}

}  // namespace

Result<Sending> write_matrix(const Settings& settings, const Letter& letter) {
    const auto& channel = settings.channel;
    Json body{{"msgtype", "m.text"},
              {"body", plain_text(letter.words, kPlain, true)},
              {"m.mentions", Json::object()}};
    auto rich = formatted(letter.words);
    if (rich.size() <= kFormatted) {
        body["format"] = "org.matrix.custom.html";
        body["formatted_body"] = std::move(rich);
    }
    auto request =
        json_request(settings,
                     channel.homeserver + "/_matrix/client/v3/rooms/" + url_part(channel.room) +
                         "/send/m.room.message/" + url_part(letter.id),
                     body.dump());
    request.method = "PUT";
    request.headers.emplace_back("Authorization", "Bearer " + settings.token.reveal());
    return request;
}

// Before v1.10 a 429 said how long in its body alone.
ports::Verdict judge_matrix(const HttpAnswer& answer, TimePoint now) {
    auto verdict = ports::judge(answer, now);
    if (answer.status != 429 || verdict.retry_after.count() > 0) return verdict;
    const auto body = Json::parse(answer.body, nullptr, false);
    if (body.is_object() && body.contains("retry_after_ms") &&
        body["retry_after_ms"].is_number_integer())
        verdict.retry_after =
            Millis{std::clamp<std::int64_t>(body["retry_after_ms"], 0, 86'400'000)};
    return verdict;
}

}  // namespace belay::notify
