// Microsoft Teams by a Workflows webhook ("Post to a channel when a webhook request is received"):
// a message with one Adaptive Card, at most 28 KB in all (learn.microsoft.com, Create incoming
// webhooks with Workflows; adaptivecards.io). Texts of others stand in runs of a RichTextBlock, the
// one element in which Teams reads no Markdown.
#include "channel.hpp"
#include "text.hpp"

#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kAll = 28'000;

Json run(std::string text, bool bold = false, bool monospace = false) {
    Json made{{"type", "TextRun"}, {"text", std::move(text)}};
    if (bold) made["weight"] = "Bolder";
    if (monospace) made["fontType"] = "Monospace";
    return made;
}

Json block(Json inlines) {
    return Json{{"type", "RichTextBlock"}, {"inlines", std::move(inlines)}};
}

std::string_view colour(Tone tone) {
    switch (tone) {
        case Tone::good:
            return "Good";
        case Tone::bad:
            return "Attention";
        case Tone::waiting:
            return "Warning";
        case Tone::neutral:
            break;
    }
    return "Default";
}

std::string body_of(const Words& words, std::size_t log_limit) {
    auto title = run(words.title, true);
    title["size"] = "Medium";
    title["color"] = colour(words.tone);
    auto content = Json::array({block(Json::array({std::move(title)}))});
    if (!words.summary.empty()) content.push_back(block(Json::array({run(words.summary)})));
    for (const auto& [label, value] : words.facts)
        content.push_back(block(Json::array({run(label + ": ", true), run(value)})));
    const auto log = cut_front(log_text(words), log_limit);
    if (!log.empty()) {
        auto lines = block(Json::array({run(log, false, true)}));
        lines["separator"] = true;
        content.push_back(std::move(lines));
    }
    if (!words.command.empty())
        content.push_back(
            block(Json::array({run("Next: ", true), run(words.command, false, true)})));
    Json card{{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
              {"type", "AdaptiveCard"},
              {"version", "1.4"},
              {"body", std::move(content)}};
    if (words.link.starts_with("http"))
        card["actions"] =
            Json::array({{{"type", "Action.OpenUrl"}, {"title", "Details"}, {"url", words.link}}});
    Json attachment{{"contentType", "application/vnd.microsoft.card.adaptive"},
                    {"contentUrl", nullptr},
                    {"content", std::move(card)}};
    return Json{{"type", "message"}, {"attachments", Json::array({std::move(attachment)})}}.dump();
}

}  // namespace

Result<Sending> write_teams(const Settings& settings, const Letter& letter) {
    std::size_t limit = kLogBytes;
    auto body = body_of(letter.words, limit);
    while (body.size() > kAll && limit > 0) {
        limit /= 2;
        body = body_of(letter.words, limit);
    }
    return json_request(settings, settings.url.reveal(), std::move(body));
}

}  // namespace belay::notify
