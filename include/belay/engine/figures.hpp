// What the engine has counted since it was started, for /metrics.
#pragma once

#include <belay/base/histogram.hpp>
#include <belay/domain/deployment.hpp>
#include <belay/domain/push.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace belay::engine {

inline constexpr std::array kStageBounds{0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0};
inline constexpr std::array kLeadTimeBounds{5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0};

struct AppFigures {
    std::array<std::uint64_t, domain::kStateCount> ended{};  // deployments, by State
    std::map<domain::Decision, std::uint64_t> deliveries;    // as they were answered
    std::uint64_t probes_passed = 0;
    std::uint64_t probes_failed = 0;
    std::uint64_t probes_refused = 0;  // nothing listened; how every start begins
    // By a stage's name without the number of its step; those that came to an end of their own.
    std::map<std::string, Histogram> stages;
    // From the queue to the switch, of deployments of a commit that ended healthy.
    Histogram lead_time{kLeadTimeBounds};
};

struct Figures {
    std::map<std::string, AppFigures> apps;  // those that there are
    // Deployments that ended failed or rolled back, by Reason.
    std::array<std::uint64_t, domain::kReasonCount> failures{};
    int slots = 0;  // [limits] concurrent_deployments
    int slots_taken = 0;
    bool config_valid = true;  // belay.toml, as it was read last
};

}  // namespace belay::engine
