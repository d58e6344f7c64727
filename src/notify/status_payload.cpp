#include "status_payload.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace belay::notify {

using Json = nlohmann::json;

std::string encode(const ports::StatusReport& report) {
    Json json{{"forge", report.forge},
              {"api_url", report.api_url},
              {"repo", report.repo},
              {"sha", report.sha},
              {"ref", report.ref},
              {"app", report.app},
              {"deployment", report.deployment.value},
              {"state", to_string(report.state)},
              {"reason", to_string(report.reason)},
              {"stage", report.stage},
              {"description", report.description},
              {"target_url", report.target_url},
              {"environment_url", report.environment_url},
              {"at", report.at.time_since_epoch().count()}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ports::StatusReport> decode_status(std::string_view text) {
    try {
        const auto json = Json::parse(text);
        ports::StatusReport report;
        report.forge = json.at("forge");
        report.api_url = json.at("api_url");
        report.repo = json.at("repo");
        report.sha = json.at("sha");
        report.ref = json.at("ref");
        report.app = json.at("app");
        report.deployment = DeploymentId{json.at("deployment").get<std::int64_t>()};
        auto state = domain::parse_state(json.at("state").get<std::string>());
        auto reason = domain::parse_reason(json.at("reason").get<std::string>());
        if (!state || !reason) throw std::invalid_argument("unknown state or reason");
        report.state = *state;
        report.reason = *reason;
        report.stage = json.at("stage");
        report.description = json.at("description");
        report.target_url = json.at("target_url");
        report.environment_url = json.at("environment_url");
        report.at = TimePoint(Millis(json.at("at").get<std::int64_t>()));
        return report;
    } catch (const std::exception& failure) {
        return Error{Errc::internal,
                     fmt::format("what waits in the outbox can't be read: {}", failure.what())};
    }
}

}  // namespace belay::notify
