// One file per type of channel, one line each in the table of channels.cpp. All pure.
#pragma once

#include "words.hpp"

#include <belay/base/http_exchange.hpp>
#include <belay/domain/config.hpp>
#include <belay/outbound/outbound.hpp>
#include <belay/ports/outbox.hpp>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belay::notify {

// A channel with its secrets read, for the time of one attempt.
struct Settings {
    domain::Channel channel;
    Secret url;
    Secret secret;
    Secret token;
    Secret topic;
    Secret password;
};

// One message to one channel.
struct Letter {
    News news;
    Words words;
    std::string id;  // stays over attempts: letters, digits, - and _
    TimePoint now{};
    std::string host;  // this machine's name
};

// What a channel of type exec starts.
struct CommandRun {
    std::vector<std::string> argv;
    std::vector<std::pair<std::string, std::string>> env;
    std::string input;
};

using Sending = std::variant<HttpRequest, outbound::Mail, CommandRun>;

struct ChannelType {
    std::string_view name;
    // Errc::invalid: what is configured can't be used, with the cure.
    Result<Sending> (*write)(const Settings& settings, const Letter& letter);
    ports::Verdict (*judge)(const HttpAnswer& answer, TimePoint now);
};

// Null where there is none of that name.
const ChannelType* find_type(std::string_view name);

Result<Sending> write_slack(const Settings& settings, const Letter& letter);
Result<Sending> write_discord(const Settings& settings, const Letter& letter);
Result<Sending> write_teams(const Settings& settings, const Letter& letter);
Result<Sending> write_matrix(const Settings& settings, const Letter& letter);
Result<Sending> write_ntfy(const Settings& settings, const Letter& letter);
Result<Sending> write_webhook(const Settings& settings, const Letter& letter);
Result<Sending> write_email(const Settings& settings, const Letter& letter);
Result<Sending> write_exec(const Settings& settings, const Letter& letter);
ports::Verdict judge_matrix(const HttpAnswer& answer, TimePoint now);
ports::Verdict judge_discord(const HttpAnswer& answer, TimePoint now);

// The body of webhook and exec (docs/notifications.md has its fields).
std::string event_json(const Letter& letter);

// POST of JSON, with what is secret in the settings marked as such.
HttpRequest json_request(const Settings& settings, std::string url, std::string body);

}  // namespace belay::notify
