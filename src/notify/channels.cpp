#include "channel.hpp"

#include <algorithm>
#include <array>

namespace belay::notify {
namespace {

constexpr std::array kTypes{
    ChannelType{"slack", &write_slack, &ports::judge},
    ChannelType{"discord", &write_discord, &judge_discord},
    ChannelType{"teams", &write_teams, &ports::judge},
    ChannelType{"matrix", &write_matrix, &judge_matrix},
    ChannelType{"ntfy", &write_ntfy, &ports::judge},
    ChannelType{"webhook", &write_webhook, &ports::judge},
    ChannelType{"email", &write_email, &ports::judge},
    ChannelType{"exec", &write_exec, &ports::judge},
};

}  // namespace

const ChannelType* find_type(std::string_view name) {
    auto at = std::find_if(kTypes.begin(), kTypes.end(),
                           [&](const ChannelType& type) { return type.name == name; });
    return at == kTypes.end() ? nullptr : &*at;
}

HttpRequest json_request(const Settings& settings, std::string url, std::string body) {
    HttpRequest request;
    request.url = std::move(url);
    request.headers = {{"Content-Type", "application/json"}};
    request.body = std::move(body);
    request.secrets = {settings.url, settings.secret, settings.token, settings.topic};
    return request;
}

}  // namespace belay::notify
