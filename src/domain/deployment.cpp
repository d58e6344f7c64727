#include <belay/domain/deployment.hpp>

#include <array>
#include <cstddef>

namespace belay::domain {
namespace {

constexpr std::array<std::string_view, kStateCount> kStates{
    "queued",       "fetching", "building",  "testing",     "awaiting_approval", "sealing",
    "releasing",    "starting", "verifying", "switching",   "draining",          "baking",
    "rolling_back", "healthy",  "failed",    "rolled_back", "canceled",          "superseded",
};

constexpr std::array<std::string_view, kReasonCount> kReasons{
    "",
    "fetch_failed",
    "fetch_timeout",
    "auth_failed",
    "host_key_mismatch",
    "sha_unavailable",
    "tree_refused",
    "build_failed",
    "build_timeout",
    "build_silent",
    "build_oom",
    "test_failed",
    "test_timeout",
    "test_silent",
    "test_oom",
    "release_failed",
    "release_timeout",
    "release_silent",
    "release_oom",
    "artifact_changed",
    "seal_failed",
    "start_failed",
    "exited",
    "port_in_use",
    "not_owner",
    "unhealthy",
    "flapping",
    "deadline",
    "oom",
    "error_ratio",
    "switch_failed",
    "rollback_failed",
    "config_invalid",
    "disk_full",
    "interrupted",
    "internal",
    "canceled",
    "rejected",
    "superseded",
};
static_assert(static_cast<int>(Reason::superseded) == kReasonCount - 1);
static_assert(static_cast<int>(State::superseded) == kStateCount - 1);

constexpr std::array<std::string_view, 4> kBlames{"", "user", "machine", "belay"};
constexpr std::array<std::string_view, 6> kTriggers{"push",     "poll",      "manual",
                                                    "rollback", "redeliver", "config"};
constexpr std::array<std::string_view, 3> kPlans{"build", "copy", "restart"};
constexpr std::array<std::string_view, 4> kStageStates{"running", "passed", "failed", "canceled"};

template <class Enum, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N>& names, Enum value) {
    return names.at(static_cast<std::size_t>(value));
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<std::string_view, N>& names, std::string_view text) {
    for (std::size_t i = 0; i < N; ++i)
        if (names[i] == text) return static_cast<Enum>(i);
    return std::nullopt;
}

}  // namespace

std::string_view to_string(State state) {
    return name_of(kStates, state);
}
std::optional<State> parse_state(std::string_view text) {
    return value_of<State>(kStates, text);
}
bool is_end(State state) {
    return state >= State::healthy;
}

std::string_view to_string(Reason reason) {
    return name_of(kReasons, reason);
}
std::optional<Reason> parse_reason(std::string_view text) {
    return value_of<Reason>(kReasons, text);
}

std::string_view to_string(Blame blame) {
    return name_of(kBlames, blame);
}
std::optional<Blame> parse_blame(std::string_view text) {
    return value_of<Blame>(kBlames, text);
}

std::string_view to_string(Trigger trigger) {
    return name_of(kTriggers, trigger);
}
std::optional<Trigger> parse_trigger(std::string_view text) {
    return value_of<Trigger>(kTriggers, text);
}

std::string_view to_string(Plan plan) {
    return name_of(kPlans, plan);
}
std::optional<Plan> parse_plan(std::string_view text) {
    return value_of<Plan>(kPlans, text);
}

std::string_view to_string(StageState state) {
    return name_of(kStageStates, state);
}
std::optional<StageState> parse_stage_state(std::string_view text) {
    return value_of<StageState>(kStageStates, text);
}

Blame blame_of(Reason reason) {
    switch (reason) {
        case Reason::none:
        case Reason::canceled:
        case Reason::superseded:
            return Blame::none;
        case Reason::fetch_failed:
        case Reason::fetch_timeout:
        case Reason::port_in_use:
        case Reason::disk_full:
        case Reason::interrupted:
            return Blame::machine;
        case Reason::seal_failed:
        case Reason::switch_failed:
        case Reason::rollback_failed:
        case Reason::internal:
            return Blame::belay;
        default:
            return Blame::user;
    }
}

}  // namespace belay::domain
