#include "config/channels.hpp"

#include "config/tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

using domain::Channel;

struct Use {
    std::string_view type;
    std::vector<std::string_view> needed;
    std::vector<std::string_view> possible;
    std::string_view example;  // of what is needed
};

const std::vector<Use>& uses() {
    static const std::vector<Use> all{
        {"slack", {"url"}, {}, "url = { file = \"/etc/belay/secrets/slack\" }"},
        {"discord", {"url"}, {}, "url = { file = \"/etc/belay/secrets/discord\" }"},
        {"teams", {"url"}, {}, "url = { file = \"/etc/belay/secrets/teams\" }"},
        {"webhook", {"url"}, {"secret"}, "url = \"https://ops.example.com/belay\""},
        {"matrix",
         {"homeserver", "room", "token"},
         {},
         "homeserver = \"https://matrix.example.com\", room = \"!id:example.com\", token = { file "
         "= "
         "\"/etc/belay/secrets/matrix\" }"},
        {"ntfy", {"topic"}, {"url", "token"}, "topic = { file = \"/etc/belay/secrets/ntfy\" }"},
        {"email",
         {"server", "from", "to"},
         {"security", "username", "password"},
         "server = \"mail.example.com:587\", from = \"belay@example.com\", to = "
         "[\"ops@example.com\"]"},
        {"exec", {"run"}, {}, "run = [\"/usr/local/bin/tell-ops\"]"},
    };
    return all;
}

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

void check_channel(Reading& reading, const Channel& channel) {
    auto use = std::find_if(uses().begin(), uses().end(),
                            [&](const Use& one) { return one.type == channel.type; });
    if (use == uses().end()) return;  // said already
    const auto base = "notify." + channel.name;
    for (auto name : use->needed) {
        const auto path = joined(base, std::string(name));
        if (!reading.given(path))
            reading.error_at(path, fmt::format("is missing; a channel of type {} needs {}",
                                               channel.type, use->example));
    }
    for (const auto& info : infos(channel_keys())) {
        const auto path = joined(base, info.name);
        const bool wanted = info.name == "type" || (info.name == "ca" && channel.type != "exec") ||
                            contains(use->needed, info.name) || contains(use->possible, info.name);
        if (wanted || !reading.given(path)) continue;
        std::string others;
        for (const auto& other : uses())
            if (contains(other.needed, info.name) || contains(other.possible, info.name))
                others += (others.empty() ? "" : ", ") + std::string(other.type);
        reading.error_at(
            path, fmt::format("is of no use to a channel of type {} (it is for {})", channel.type,
                              others.empty() ? "those that speak TLS" : others));
    }
    if (channel.username.empty() == channel.password.has_value())
        reading.error_at(
            joined(base, channel.username.empty() ? "password" : "username"),
            channel.username.empty() ? "needs a username too" : "needs a password too");
    if (channel.security == "none" && !channel.username.empty())
        reading.error_at(joined(base, "security"),
                         "is \"none\", which would show the password to the network; take "
                         "\"starttls\" or \"tls\"");
    if (reading.given(joined(base, "to")) && channel.to.empty())
        reading.error_at(joined(base, "to"), "is empty: nobody would get it");
}

}  // namespace

std::vector<std::pair<std::string_view, const std::optional<domain::SecretRef>*>> channel_secrets(
    const Channel& channel) {
    return {{"url", &channel.url},
            {"secret", &channel.secret},
            {"token", &channel.token},
            {"topic", &channel.topic},
            {"password", &channel.password}};
}

void check_channels(Reading& reading, const domain::ServerConfig& server) {
    for (const auto& channel : server.channels)
        check_channel(reading, channel);
}

}  // namespace belay::config
