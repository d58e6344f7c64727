// Slack's incoming webhooks (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
// Text with & < > escaped holds neither mentions nor links, and `verbatim` keeps addresses and
// names from becoming ones (docs.slack.dev/messaging/formatting-message-text).
#include "channel.hpp"
#include "text.hpp"

#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kSection = 3'000;  // letters of a section's text
constexpr std::size_t kHeader = 150;     // of a header's

std::string safe(std::string_view text) {
    std::string result;
    for (char letter : text) {
        if (letter == '&')
            result += "&amp;";
        else if (letter == '<')
            result += "&lt;";
        else if (letter == '>')
            result += "&gt;";
        else
            result += letter;
    }
    return result;
}

// Entities must not be cut in two, so what is escaped is cut before.
std::string safe(std::string text, std::size_t limit) {
    auto shown = safe(text);
    for (auto length = text.size(); shown.size() > limit; shown = safe(cut(text, length)))
        length -= std::min(length, std::max<std::size_t>(1, (shown.size() - limit) / 5));
    return shown;
}

Json section(std::string text) {
    Json markup{{"type", "mrkdwn"}, {"text", std::move(text)}, {"verbatim", true}};
    return Json{{"type", "section"}, {"text", std::move(markup)}};
}

}  // namespace

Result<Sending> write_slack(const Settings& settings, const Letter& letter) {
    const auto& words = letter.words;
    auto blocks = Json::array();
    blocks.push_back(
        {{"type", "header"},
         {"text",
          {{"type", "plain_text"}, {"text", cut(words.title, kHeader)}, {"emoji", false}}}});
    if (!words.summary.empty()) blocks.push_back(section(safe(words.summary, kSection)));
    std::string facts;
    for (const auto& [label, value] : words.facts)
        facts += (facts.empty() ? "" : "\n") + label + ": " + value;
    if (!facts.empty()) blocks.push_back(section(safe(facts, kSection)));
    if (!words.log.empty()) {
        auto log = log_text(words);
        for (std::size_t at = 0; (at = log.find("```", at)) != log.npos;)
            log.replace(at, 3, "'''");
        blocks.push_back(
            section("```" + safe(cut_front(std::move(log), 2'400), kSection - 6) + "```"));
    }
    std::string foot;
    if (!words.command.empty()) foot += "`" + safe(words.command) + "`";
    if (!words.link.empty())
        foot += (foot.empty() ? "" : "  ") + std::string("<") + safe(words.link) + "|Details>";
    if (!foot.empty()) blocks.push_back(section(std::move(foot)));
    Json body{{"text", safe(words.title, kSection)},
              {"blocks", std::move(blocks)},
              {"unfurl_links", false},
              {"unfurl_media", false}};
    return json_request(settings, settings.url.reveal(), body.dump());
}

}  // namespace belay::notify
