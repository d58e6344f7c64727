// Discord's webhooks (discord.com/developers/docs/resources/webhook#execute-webhook). One embed:
// title 256, description 4096, 6000 in all. `allowed_mentions` names nobody, so no text can call
// anybody.
#include "channel.hpp"
#include "text.hpp"

#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kTitle = 256;
constexpr std::size_t kDescription = 4'096;
constexpr std::size_t kLog = 1'800;

// Markdown's signs, a link's brackets among them.
std::string safe(std::string_view text) {
    return escaped(text, "\\`*_~|>#[]()<:-@", "\\");
}

int colour(Tone tone) {
    switch (tone) {
        case Tone::good:
            return 0x2e7d32;
        case Tone::bad:
            return 0xc62828;
        case Tone::waiting:
            return 0xf9a825;
        case Tone::neutral:
            return 0x546e7a;
    }
    return 0;
}

// Escapes must not be cut in two.
std::string safe(const std::string& text, std::size_t limit) {
    auto shown = safe(text);
    for (auto length = text.size(); shown.size() > limit; shown = safe(cut(text, length)))
        length -= std::min(length, std::max<std::size_t>(1, (shown.size() - limit) / 2));
    return shown;
}

}  // namespace

Result<Sending> write_discord(const Settings& settings, const Letter& letter) {
    const auto& words = letter.words;
    std::string log;
    if (!words.log.empty()) {
        auto text = cut_front(log_text(words), kLog);
        for (std::size_t at = 0; (at = text.find("```", at)) != text.npos;)
            text.replace(at, 3, "'''");
        log = "\n```\n" + text + "\n```";
    }
    std::string foot;
    if (!words.command.empty()) foot = "\nNext: " + safe(words.command);
    std::string facts;
    for (const auto& [label, value] : words.facts)
        facts += "\n**" + label + "**: " + safe(value, 600);
    facts = facts.size() > 1'400 ? safe(clean_line(facts), 1'400) : facts;
    auto description =
        safe(words.summary, kDescription - 10 - log.size() - foot.size() - facts.size()) + facts +
        log + foot;
    Json embed{{"title", safe(words.title, kTitle)},
               {"description", std::move(description)},
               {"color", colour(words.tone)},
               {"timestamp", format_time(letter.news.alert.at)}};
    if (words.link.starts_with("http")) embed["url"] = words.link;
    Json body{{"username", "Belay"},
              {"embeds", Json::array({std::move(embed)})},
              {"allowed_mentions", {{"parse", Json::array()}}}};
    return json_request(settings, settings.url.reveal(), body.dump());
}

// Without Retry-After, its 429 says in its body how long (seconds, with decimals).
ports::Verdict judge_discord(const HttpAnswer& answer, TimePoint now) {
    auto verdict = ports::judge(answer, now);
    if (answer.status != 429 || verdict.retry_after.count() > 0) return verdict;
    const auto body = Json::parse(answer.body, nullptr, false);
    if (body.is_object() && body.contains("retry_after") && body["retry_after"].is_number()) {
        const auto seconds = std::clamp(body["retry_after"].get<double>(), 0.0, 86'400.0);
        verdict.retry_after = Millis{static_cast<std::int64_t>(seconds * 1'000)};
    }
    return verdict;
}

}  // namespace belay::notify
