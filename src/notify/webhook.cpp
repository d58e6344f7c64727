// A generic webhook, signed by Standard Webhooks 1.0 (github.com/standard-webhooks): `webhook-id`
// stays over retries, `webhook-timestamp` is the attempt's, `webhook-signature` is "v1," and the
// base64 HMAC-SHA256 over "id.timestamp.body".
#include "channel.hpp"
#include "signature.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

Json shape(const domain::Alert& alert) {
    auto number = [](const auto& value) { return value ? Json(*value) : Json(); };
    return Json{{"event", to_string(alert.event)},
                {"app", alert.app},
                {"at", format_time(alert.at)},
                {"deployment", alert.deployment ? Json(to_string(alert.deployment)) : Json()},
                {"commit", alert.commit},
                {"ref", alert.ref},
                {"message", alert.message},
                {"author", alert.author},
                {"stage", alert.stage},
                {"reason", to_string(alert.reason)},
                {"blame", to_string(domain::blame_of(alert.reason))},
                {"detail", alert.detail},
                {"exit_code", number(alert.exit_code)},
                {"signal", number(alert.signal)},
                {"release", alert.release},
                {"serving", alert.serving},
                {"log_tail", alert.log_tail},
                {"link", alert.link},
                {"command", alert.command}};
}

}  // namespace

std::string event_json(const Letter& letter) {
    const auto& news = letter.news;
    auto data = shape(news.alert);
    if (news.test) data["event"] = "test";
    data["title"] = letter.words.title;
    data["host"] = letter.host;
    data["count"] = news.count;
    data["since"] = format_time(news.since);
    data["again"] = news.again;
    data["others"] = Json::array();
    for (const auto& other : news.others)
        data["others"].push_back(shape(other));
    Json body{{"type", fmt::format("belay.{}", data["event"].get_ref<const std::string&>())},
              {"timestamp", format_time(news.alert.at)},
              {"data", std::move(data)}};
    return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Sending> write_webhook(const Settings& settings, const Letter& letter) {
    auto request = json_request(settings, settings.url.reveal(), event_json(letter));
    const auto seconds = std::chrono::floor<Seconds>(letter.now).time_since_epoch().count();
    const auto timestamp = fmt::to_string(seconds);
    request.headers.emplace_back("webhook-id", letter.id);
    request.headers.emplace_back("webhook-timestamp", timestamp);
    if (!settings.secret.empty()) {
        auto signature = sign(settings.secret, letter.id, timestamp, request.body);
        if (!signature) return signature.error();
        request.headers.emplace_back("webhook-signature", *signature);
    }
    return request;
}

}  // namespace belay::notify
