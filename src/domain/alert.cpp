#include <belay/domain/alert.hpp>

#include <array>

namespace belay::domain {
namespace {

constexpr std::array<std::string_view, kAlertEventCount> kNames{
    "failed", "rolled_back",       "unhealthy",      "recovered", "degraded",
    "live",   "awaiting_approval", "config_invalid", "disk_low"};

}  // namespace

std::string_view to_string(AlertEvent event) {
    return kNames[static_cast<std::size_t>(event)];
}

std::optional<AlertEvent> parse_alert_event(std::string_view text) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
        if (kNames[i] == text) return static_cast<AlertEvent>(i);
    return std::nullopt;
}

}  // namespace belay::domain
