// The deployment state machine: pure, the only place that says what may happen next. docs/states.md
// holds the same table by hand, and a test holds the two against each other.
#pragma once

#include <belay/domain/deployment.hpp>

namespace belay::domain {

enum class EventKind {
    picked,   // the lane took it from the queue
    fetched,  // commit and tip are known
    build_passed,
    test_passed,
    approved,
    sealed,
    release_passed,  // the release command, with 0 or 10
    started,         // all processes of the candidate run
    verified,
    switched,  // the switch is committed
    drained,
    bake_passed,
    rolled_back,  // traffic is with the fallback again
    failed,       // the present step failed; carries the failure
    cancel,
    reject,
    supersede,    // a newer push is queued
    interrupted,  // the daemon was started again and finds it in this state
};
std::string_view to_string(EventKind kind);
inline constexpr int kEventKindCount = 18;

struct Event {
    EventKind kind = EventKind::picked;
    Failure failure;         // of failed; its detail also of cancel, reject and supersede
    Rule rule = Rule::none;  // of cancel and supersede, where no person asked
    DeploymentId by;         // of supersede
    bool warm = false;       // of picked: the release still runs and was healthy a moment ago
    bool already_live =
        false;  // of picked: the rollback's target has the traffic, as its bake was ended
    bool copy =
        false;  // of fetched: live is of this commit and built the same way, so its files are taken
    bool no_way_back = false;  // of release_passed
    bool sealed = false;       // of interrupted: the release has its manifest
    bool serving = false;      // of interrupted: the proxy serves the candidate's epoch
    bool rebooted = false;     // of interrupted: the processes are gone
};

// What the deployment's configuration snapshot asks for.
struct Course {
    bool approval = false;
    bool release_command = false;
    bool release_idempotent = false;
    bool in_place = false;  // the release has no candidate: switching comes before verifying

    bool operator==(const Course&) const = default;
};

// What the engine does next. All can be repeated.
enum class Effect {
    none,
    fetch,
    build,
    test,
    ask_approval,
    seal,
    run_release_command,
    start,
    verify,
    switch_traffic,
    drain,          // watch while the old release finishes its requests
    bake,           // watch
    promote,        // stable = this release, then stop the old one
    roll_back,      // traffic to the fallback, then stop this release
    discard,        // stop the candidate, remove what is unsealed
    take_down,      // there is nothing to go back to: remove the route, stop the release
    hold_degraded,  // leave what answers where it is, set the hold, a person decides
};
std::string_view to_string(Effect effect);

struct Transition {
    Deployment next;
    Effect effect = Effect::none;
};

// Errc::conflict when the event does not fit the state; the message says so in words for the user.
Result<Transition> apply(const Deployment& deployment, const Event& event, const Course& course);

// How often a deployment is taken up again after interruptions before it ends as
// failed(interrupted): more would be a loop.
inline constexpr int kAttemptsMax = 5;

// Whether what users reach may be this deployment's release by then: from there on nothing
// interrupts it but its own failure or a person.
bool is_switched(State state, const Course& course);

// spec/decisions.md 6: whether a newer push may supersede this one, given how many running ones it
// superseded in a row.
bool may_supersede(const Deployment& deployment, const Course& course, int superseded_in_row);
inline constexpr int kSupersededInRowMax = 2;

}  // namespace belay::domain
