// What a person has to be told of, with all that the text needs.
#pragma once

#include <belay/domain/deployment.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::domain {

// The keys of [notify] in an app's file.
enum class AlertEvent {
    failed,
    rolled_back,
    unhealthy,
    recovered,
    degraded,
    live,
    awaiting_approval,
    config_invalid,
    disk_low,
};
inline constexpr int kAlertEventCount = 9;

std::string_view to_string(AlertEvent event);
std::optional<AlertEvent> parse_alert_event(std::string_view text);

// Empty or 0 where something is not known or does not apply. Texts of builds and apps are masked
// already.
struct Alert {
    AlertEvent event = AlertEvent::failed;
    std::string app;  // empty: the whole machine
    TimePoint at{};
    DeploymentId deployment;
    std::string commit;
    std::string ref;
    std::string message;  // the commit's first line
    std::string author;
    std::string stage;
    Reason reason = Reason::none;
    std::string detail;  // one or more sentences
    std::optional<int> exit_code;
    std::optional<int> signal;
    ReleaseNumber release = 0;  // that it is about
    ReleaseNumber serving = 0;  // that users get now
    std::vector<std::string> log_tail;
    std::string link;     // where a browser finds more
    std::string command;  // what to type next

    bool operator==(const Alert&) const = default;
};

}  // namespace belay::domain
