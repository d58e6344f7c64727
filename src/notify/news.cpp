#include "news.hpp"

#include "text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace belay::notify {
namespace {

using domain::Alert;
using domain::AlertEvent;
using Json = nlohmann::json;

constexpr std::size_t kLine = 300;
constexpr std::size_t kDetail = 1'500;
// A service that goes up and down must not leave somebody with the wrong last word for long.
constexpr Millis kQuiet{600'000};
constexpr Millis kQuietHealth{300'000};

std::int64_t ms(TimePoint at) {
    return at.time_since_epoch().count();
}

Json shape(const Alert& alert) {
    Json json{{"event", to_string(alert.event)},
              {"app", alert.app},
              {"at", ms(alert.at)},
              {"deployment", alert.deployment.value},
              {"commit", alert.commit},
              {"ref", alert.ref},
              {"message", alert.message},
              {"author", alert.author},
              {"stage", alert.stage},
              {"reason", to_string(alert.reason)},
              {"detail", alert.detail},
              {"release", alert.release},
              {"serving", alert.serving},
              {"log_tail", alert.log_tail},
              {"link", alert.link},
              {"command", alert.command}};
    if (alert.exit_code) json["exit_code"] = *alert.exit_code;
    if (alert.signal) json["signal"] = *alert.signal;
    return json;
}

Alert read(const Json& json) {
    Alert alert;
    auto event = domain::parse_alert_event(json.at("event").get<std::string>());
    auto reason = domain::parse_reason(json.at("reason").get<std::string>());
    if (!event) throw std::invalid_argument("unknown event");
    alert.event = *event;
    alert.reason = reason.value_or(domain::Reason::internal);
    alert.app = json.at("app");
    alert.at = TimePoint(Millis(json.at("at").get<std::int64_t>()));
    alert.deployment = DeploymentId{json.at("deployment").get<std::int64_t>()};
    alert.commit = json.at("commit");
    alert.ref = json.at("ref");
    alert.message = json.at("message");
    alert.author = json.at("author");
    alert.stage = json.at("stage");
    alert.detail = json.at("detail");
    alert.release = json.at("release");
    alert.serving = json.at("serving");
    alert.log_tail = json.at("log_tail").get<std::vector<std::string>>();
    alert.link = json.at("link");
    alert.command = json.at("command");
    if (json.contains("exit_code")) alert.exit_code = json.at("exit_code").get<int>();
    if (json.contains("signal")) alert.signal = json.at("signal").get<int>();
    return alert;
}

}  // namespace

Alert bounded(Alert alert) {
    for (auto* line : {&alert.app, &alert.commit, &alert.ref, &alert.message, &alert.author,
                       &alert.stage, &alert.command})
        *line = cut(clean_line(*line), kLine);
    alert.link = cut(clean_line(alert.link), kDetail);
    alert.detail = cut(clean_lines(alert.detail), kDetail);
    std::size_t bytes = 0;
    std::vector<std::string> kept;
    for (auto line = alert.log_tail.rbegin(); line != alert.log_tail.rend(); ++line) {
        auto shown = cut(clean_line(*line), kLogLine);
        bytes += shown.size() + 1;
        if (bytes > kLogBytes) break;
        kept.insert(kept.begin(), std::move(shown));
    }
    alert.log_tail = std::move(kept);
    return alert;
}

std::string encode(const News& news) {
    Json json{{"alert", shape(news.alert)},
              {"count", news.count},
              {"since", ms(news.since)},
              {"again", news.again},
              {"others", Json::array()}};
    for (const auto& other : news.others)
        json["others"].push_back(shape(other));
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<News> decode(std::string_view text) {
    try {
        const auto json = Json::parse(text);
        News news;
        news.alert = read(json.at("alert"));
        news.count = json.at("count");
        news.since = TimePoint(Millis(json.at("since").get<std::int64_t>()));
        news.again = json.at("again");
        for (const auto& other : json.at("others"))
            news.others.push_back(read(other));
        return news;
    } catch (const std::exception& failure) {
        return Error{Errc::internal,
                     fmt::format("what waits in the outbox can't be read: {}", failure.what())};
    }
}

std::string key_of(const Alert& alert) {
    // Each of these is news of its own.
    if (alert.event == AlertEvent::live || alert.event == AlertEvent::awaiting_approval)
        return fmt::format("{}/{}/{}", alert.app, to_string(alert.event),
                           to_string(alert.deployment));
    return fmt::format("{}/{}/{}", alert.app, to_string(alert.event), to_string(alert.reason));
}

std::string group_of(const Alert& alert) {
    switch (alert.event) {
        case AlertEvent::failed:
        case AlertEvent::rolled_back:
        case AlertEvent::unhealthy:
        case AlertEvent::recovered:
        case AlertEvent::config_invalid:
            return fmt::format("{}/{}", to_string(alert.event), to_string(alert.reason));
        default:
            return {};
    }
}

Millis quiet_time(AlertEvent event) {
    switch (event) {
        case AlertEvent::live:
        case AlertEvent::awaiting_approval:
            return Millis{0};
        case AlertEvent::unhealthy:
        case AlertEvent::recovered:
        case AlertEvent::degraded:
            return kQuietHealth;
        default:
            return kQuiet;
    }
}

bool is_once(AlertEvent event) {
    return event == AlertEvent::live || event == AlertEvent::awaiting_approval;
}

}  // namespace belay::notify
