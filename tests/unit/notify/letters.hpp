// Letters for tests of channels.
#pragma once

#include "notify/channel.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace belay::notify {

inline domain::Alert failed_alert() {
    domain::Alert alert;
    alert.event = domain::AlertEvent::failed;
    alert.app = "shop";
    alert.at = *parse_time("2026-11-25T14:02:03.456Z");
    alert.deployment = DeploymentId{12};
    alert.commit = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
    alert.ref = "refs/heads/main";
    alert.message = "Fix the cart";
    alert.author = "Ada <ada@example.org>";
    alert.stage = "building";
    alert.reason = domain::Reason::build_failed;
    alert.detail = "build: exited with code 2";
    alert.exit_code = 2;
    alert.release = 8;
    alert.serving = 7;
    alert.log_tail = {"cc -o shop main.c", "main.c:3: error: expected ';'"};
    alert.link = "https://deploy.example.com/#/deployments/d12";
    alert.command = "belay show d12";
    return alert;
}

// Whatever a pusher can write into a commit, in every text that may be his.
inline domain::Alert hostile_alert() {
    auto alert = failed_alert();
    const std::string evil =
        "<!channel> <@U1> @everyone @here <a href=\"http://evil.example\">x</a> "
        "[click](http://evil.example) ```\r\nBcc: a@b\n*bold* \x1b[31m\xff "
        "\xe2\x80\xae<script>&amp;";
    alert.message = alert.author = alert.detail = alert.ref = evil;
    alert.log_tail = {evil, "``` @everyone"};
    return bounded(alert);
}

inline domain::Alert huge_alert() {
    auto alert = failed_alert();
    std::string long_text;
    for (int i = 0; i < 20'000; ++i)
        long_text += "\xc3\xa4<&*";
    alert.message = alert.author = alert.detail = alert.ref = alert.stage = long_text;
    alert.log_tail.assign(60, long_text);
    return bounded(alert);
}

inline Letter letter_of(domain::Alert alert) {
    Letter letter;
    letter.news.alert = std::move(alert);
    letter.news.since = letter.news.alert.at;
    letter.host = "web1";
    letter.words = words_of(letter.news, letter.host);
    letter.id = "msg_0123";
    letter.now = *parse_time("2026-11-25T14:02:05.000Z");
    return letter;
}

inline Settings settings_of(std::string type) {
    Settings settings;
    settings.channel.type = std::move(type);
    settings.channel.homeserver = "https://matrix.example.org";
    settings.channel.room = "!ab/c:example.org";
    settings.channel.server = "mail.example.org:2525";
    settings.channel.from = "belay@example.org";
    settings.channel.to = {"a@example.org", "b@example.org"};
    settings.channel.run.argv = {"/usr/local/bin/tell"};
    settings.url = Secret("https://chat.example.org/hook/SECRET");
    settings.token = Secret("TOKEN");
    settings.topic = Secret("topic");
    return settings;
}

// The settings must outlive the result.
inline Sending write(const std::string& type, const Letter& letter, const Settings& settings) {
    return find_type(type)->write(settings, letter).value();
}
inline HttpRequest request_of(const std::string& type, const Letter& letter) {
    return std::get<HttpRequest>(write(type, letter, settings_of(type)));
}
inline nlohmann::json body_of(const HttpRequest& request) {
    return nlohmann::json::parse(request.body);
}
inline std::string header(const HttpRequest& request, const std::string& name) {
    for (const auto& [key, value] : request.headers)
        if (key == name) return value;
    return {};
}

}  // namespace belay::notify
