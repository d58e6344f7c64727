// One attempt to make one commit live: its states, reasons and record (docs/states.md).
#pragma once

#include <belay/base/id.hpp>
#include <belay/base/time.hpp>
#include <belay/domain/rule.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::domain {

enum class State {
    queued,
    fetching,
    building,
    testing,
    awaiting_approval,
    sealing,
    releasing,
    starting,
    verifying,
    switching,
    draining,
    baking,
    rolling_back,
    healthy,
    failed,
    rolled_back,
    canceled,
    superseded,
};
inline constexpr int kStateCount = 18;

std::string_view to_string(State state);
std::optional<State> parse_state(std::string_view text);
bool is_end(State state);

// The closed list of spec/decisions.md 12.
enum class Reason {
    none,
    fetch_failed,
    fetch_timeout,
    auth_failed,
    host_key_mismatch,
    sha_unavailable,
    tree_refused,
    build_failed,
    build_timeout,
    build_silent,
    build_oom,
    test_failed,
    test_timeout,
    test_silent,
    test_oom,
    release_failed,
    release_timeout,
    release_silent,
    release_oom,
    artifact_changed,
    seal_failed,
    start_failed,
    exited,
    port_in_use,
    not_owner,
    unhealthy,
    flapping,
    deadline,
    oom,
    error_ratio,
    switch_failed,
    rollback_failed,
    config_invalid,
    disk_full,
    interrupted,
    internal,
    canceled,
    rejected,
    superseded,
};
inline constexpr int kReasonCount = 39;

std::string_view to_string(Reason reason);  // "none" is ""
std::optional<Reason> parse_reason(std::string_view text);

// Who has to do something about it.
enum class Blame { none, user, machine, belay };
std::string_view to_string(Blame blame);  // "none" is ""
std::optional<Blame> parse_blame(std::string_view text);
Blame blame_of(Reason reason);

enum class Trigger { push, poll, manual, rollback, redeliver, config };
std::string_view to_string(Trigger trigger);
std::optional<Trigger> parse_trigger(std::string_view text);

// What the deployment has to do before it can start its release.
enum class Plan {
    build,  // fetch, build, test, seal
    copy,   // a new release from the sealed files of another: configuration changed, build and test
            // did not
    restart,  // an existing sealed release: rollback, `belay restart`, `belay start`
};
std::string_view to_string(Plan plan);
std::optional<Plan> parse_plan(std::string_view text);

// Why a deployment failed, or what it waits for.
struct Failure {
    Reason reason = Reason::none;
    std::string stage;   // state name in which it happened
    std::string detail;  // one or more sentences for a person
    std::optional<int> exit_code;
    std::optional<int> signal;

    bool operator==(const Failure&) const = default;
};

// The durable record, saved at every transition.
struct Deployment {
    DeploymentId id;
    std::string app;
    Trigger trigger = Trigger::push;
    Plan plan = Plan::build;
    DeliveryId delivery;  // 0: none
    std::string commit;   // empty until known
    std::string ref;      // full name of what was asked for
    bool pinned = false;  // `deploy --commit`: the tip does not supersede it
    bool force = false;
    State state = State::queued;
    Failure failure;
    Rule rule = Rule::none;      // of an end that is neither success nor failure
    ReleaseNumber release = 0;   // reserved when queued; of Plan::restart the target
    ReleaseNumber source = 0;    // of Plan::copy: the sealed release whose files are taken
    ReleaseNumber previous = 0;  // live when it was switched; the fallback. 0: none
    std::string previous_commit;
    std::int64_t epoch = 0;    // reserved with the switch intent
    std::string config;        // hash of the snapshot (table configs)
    bool no_way_back = false;  // the release command ended with 10, or `rollback = "unsafe"`
    bool approved = false;
    bool cancel_requested = false;
    DeploymentId superseded_by;  // set while releasing runs to its end, and on the end state
    int attempt = 1;             // grows by one with each interruption
    bool skip_hold_on_rollback = false;  // `rollback --no-hold`
    std::string author;
    std::string message;  // the commit's first line
    std::string note;     // who asked and why, for manual triggers
    TimePoint created_at{};
    TimePoint started_at{};   // left the queue
    TimePoint switched_at{};  // switch committed
    TimePoint finished_at{};
    TimePoint expires_at{};  // awaiting_approval: when it is canceled; 0: does not wait
    std::optional<std::int64_t> overhead_ms;

    bool operator==(const Deployment&) const = default;
};

enum class StageState { running, passed, failed, canceled };
std::string_view to_string(StageState state);
std::optional<StageState> parse_stage_state(std::string_view text);

// One step's record: fetch, build, build-2, test, seal, release, start, verify, switch, bake.
struct Stage {
    DeploymentId deployment;
    std::string name;
    int attempt = 1;
    StageState state = StageState::running;
    TimePoint started_at{};
    TimePoint finished_at{};  // 0: not yet
    std::optional<int> exit_code;
    std::optional<int> signal;
    std::int64_t log_bytes = 0;
    std::int64_t peak_memory = 0;  // bytes
    std::int64_t cpu_ms = 0;
    std::string tail;  // last lines of a failed stage, masked

    bool operator==(const Stage&) const = default;
};

// One health probe's result.
struct Probe {
    TimePoint at{};
    std::string target;  // "http://127.0.0.1:20001/healthz"
    std::string family;  // "ipv4", "ipv6", "" for exec
    int status = 0;      // HTTP status; 0 where there was none
    std::string error;   // empty: passed
    std::int64_t latency_ms = 0;
    std::string body;  // first bytes, as text
    bool refused =
        false;  // nothing listens: "starting" rather than a failure before the first pass

    bool passed() const { return error.empty(); }
    bool operator==(const Probe&) const = default;
};

}  // namespace belay::domain
