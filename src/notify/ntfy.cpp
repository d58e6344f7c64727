// ntfy, publishing as JSON to the server's root (docs.ntfy.sh/publish/#publish-as-json). A message
// is at most 4,096 bytes: longer ones would become attachments.
#include "channel.hpp"
#include "text.hpp"

#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMessage = 4'096;
constexpr std::size_t kTitle = 250;

int priority(Tone tone) {
    switch (tone) {
        case Tone::bad:
            return 4;
        case Tone::waiting:
            return 3;
        default:
            return 2;
    }
}

// Emoji short codes.
std::string_view tag(Tone tone) {
    switch (tone) {
        case Tone::good:
            return "white_check_mark";
        case Tone::bad:
            return "rotating_light";
        case Tone::waiting:
            return "hourglass_flowing_sand";
        case Tone::neutral:
            break;
    }
    return "information_source";
}

}  // namespace

Result<Sending> write_ntfy(const Settings& settings, const Letter& letter) {
    const auto& words = letter.words;
    Json body{{"topic", settings.topic.reveal()},
              {"title", cut(words.title, kTitle)},
              {"message", plain_text(words, kMessage, false)},
              {"priority", priority(words.tone)},
              {"tags", Json::array({tag(words.tone)})}};
    if (body["message"].get_ref<const std::string&>().empty()) body["message"] = words.title;
    if (!letter.news.alert.app.empty()) body["tags"].push_back(letter.news.alert.app);
    if (words.link.starts_with("http")) body["click"] = words.link;
    auto server = settings.url.empty() ? std::string("https://ntfy.sh") : settings.url.reveal();
    auto request = json_request(settings, std::move(server), body.dump());
    if (!settings.token.empty())
        request.headers.emplace_back("Authorization", "Bearer " + settings.token.reveal());
    return request;
}

}  // namespace belay::notify
