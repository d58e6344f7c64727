#include <belay/domain/transition.hpp>

#include <fmt/format.h>

#include <utility>

namespace belay::domain {
namespace {

using enum State;

Transition to(Deployment next, State state, Effect effect) {
    next.state = state;
    return {std::move(next), effect};
}

Transition end(Deployment next, State state, Reason reason, Effect effect) {
    auto stage = std::string(to_string(next.state));
    if (next.failure.reason == Reason::none) {
        next.failure.reason = reason;
        next.failure.stage = std::move(stage);
    }
    next.state = state;
    return {std::move(next), effect};
}

// It ran to its end although a newer push waited.
Transition overtaken(Deployment next) {
    next.rule = Rule::newer_push;
    next.failure.detail = fmt::format("{} is newer", to_string(next.superseded_by));
    return end(std::move(next), superseded, Reason::superseded, Effect::discard);
}

// The first state in which the release runs.
Transition into_running(const Deployment& deployment, const Course& course) {
    if (course.in_place) return to(deployment, switching, Effect::switch_traffic);
    return to(deployment, starting, Effect::start);
}

// The first state that needs the sealed release.
Transition after_seal(const Deployment& deployment, const Course& course) {
    if (deployment.superseded_by) return overtaken(deployment);
    if (course.release_command && deployment.plan != Plan::restart)
        return to(deployment, releasing, Effect::run_release_command);
    return into_running(deployment, course);
}

// The candidate has the traffic and proved bad, or somebody wants the old one back.
Transition leave(const Deployment& deployment, const Failure& failure, bool asked) {
    auto next = deployment;
    next.failure = failure;
    if (next.previous == 0)
        return end(next, asked ? canceled : failed, failure.reason, Effect::take_down);
    // Never a rollback of a rollback, never over an irreversible step, unless a person asks.
    if (!asked && (next.no_way_back || next.trigger == Trigger::rollback))
        return end(next, failed, failure.reason, Effect::hold_degraded);
    return to(next, rolling_back, Effect::roll_back);
}

Result<Transition> on_failed(const Deployment& deployment, const Failure& failure,
                             const Course& course) {
    auto next = deployment;
    next.failure = failure;
    if (next.failure.stage.empty()) next.failure.stage = to_string(deployment.state);
    if (deployment.state == rolling_back) {
        auto first = deployment.failure;  // why it was rolled back at all
        next.failure.reason = Reason::rollback_failed;
        next.failure.detail = fmt::format("{}; rolled back because of {}: {}", failure.detail,
                                          to_string(first.reason), first.detail);
        return end(next, failed, Reason::rollback_failed, Effect::hold_degraded);
    }
    // A switch that fails leaves all as it was, but for one in place.
    if (is_switched(deployment.state, course) && (deployment.state != switching || course.in_place))
        return leave(deployment, next.failure, false);
    return end(next, failed, failure.reason, Effect::discard);
}

Result<Transition> on_cancel(const Deployment& deployment, const Event& event,
                             const Course& course) {
    if (!is_switched(deployment.state, course)) {
        auto next = deployment;
        next.cancel_requested = event.rule == Rule::none;
        next.rule = event.rule;
        next.failure.detail = event.failure.detail;
        return end(next, canceled, Reason::canceled, Effect::discard);
    }
    if (deployment.state != switching && deployment.state != rolling_back) {
        auto next = deployment;
        next.cancel_requested = true;
        return leave(next,
                     Failure{Reason::canceled,
                             std::string(to_string(deployment.state)),
                             event.failure.detail.empty() ? std::string("canceled by request")
                                                          : event.failure.detail,
                             {},
                             {}},
                     true);
    }
    return Error{Errc::conflict,
                 fmt::format("{} is {} and can't be canceled now", to_string(deployment.id),
                             to_string(deployment.state))};
}

// A step that can simply be taken up again, a bounded number of times.
Transition again(const Deployment& deployment, State state, Effect effect) {
    auto next = deployment;
    if (next.attempt >= kAttemptsMax) {
        next.failure =
            Failure{Reason::interrupted,
                    std::string(to_string(deployment.state)),
                    fmt::format("the daemon was stopped {} times while it ran", next.attempt),
                    {},
                    {}};
        return end(next, failed, Reason::interrupted, Effect::discard);
    }
    ++next.attempt;
    return to(next, state, effect);
}

// The same for one that may be live by now.
Transition again_in_place(const Deployment& deployment, State state, Effect effect) {
    if (deployment.attempt < kAttemptsMax) return again(deployment, state, effect);
    auto failure = again(deployment, state, effect).next.failure;
    return leave(deployment, failure, false);
}

Transition given_back(const Deployment& deployment) {
    auto next = deployment;
    next.failure =
        Failure{Reason::interrupted,
                std::string(to_string(deployment.state)),
                "the traffic had been taken from it when the daemon was stopped, before the "
                "reason was written",
                {},
                {}};
    if (next.previous == 0) return end(next, failed, Reason::interrupted, Effect::take_down);
    return to(next, rolling_back, Effect::roll_back);
}

Transition on_interrupted(const Deployment& deployment, const Event& event, const Course& course) {
    switch (deployment.state) {
        case queued:
            return {deployment, Effect::none};
        case fetching:
        case building:
        case testing:
            return again(deployment, fetching, Effect::fetch);
        case awaiting_approval:
            return {deployment, Effect::ask_approval};
        case sealing:
            if (event.sealed) return after_seal(deployment, course);
            if (deployment.plan == Plan::copy) return again(deployment, sealing, Effect::seal);
            return again(deployment, fetching, Effect::fetch);
        case releasing: {
            if (course.release_idempotent)
                return again(deployment, releasing, Effect::run_release_command);
            auto next = deployment;
            next.failure =
                Failure{Reason::interrupted,
                        "releasing",
                        "the daemon was stopped while the release command ran, and it is not "
                        "declared idempotent, so it was not run again",
                        {},
                        {}};
            return end(next, failed, Reason::interrupted, Effect::discard);
        }
        case starting:
            return again(deployment, starting, Effect::start);
        case verifying:
            if (course.in_place) return again_in_place(deployment, verifying, Effect::verify);
            if (event.rebooted) return again(deployment, starting, Effect::start);
            return again(deployment, verifying, Effect::verify);
        case switching:
            if (course.in_place)
                return again_in_place(deployment, switching, Effect::switch_traffic);
            if (event.rebooted) return again(deployment, starting, Effect::start);
            if (event.serving) return again(deployment, switching, Effect::switch_traffic);
            return again(deployment, verifying, Effect::verify);
        case draining:
        case baking:
            // Whether it is live is no question of what runs, nor of what the proxy serves.
            if (course.in_place) return {deployment, Effect::bake};
            if (event.rebooted) return again(deployment, starting, Effect::start);
            // The traffic was given back already, and the daemon died before it could say why.
            if (!event.serving) return given_back(deployment);
            return {deployment, deployment.state == draining ? Effect::drain : Effect::bake};
        case rolling_back:
            // What booted is the release that it was to go back to.
            if (event.rebooted && !course.in_place)
                return end(deployment, rolled_back, deployment.failure.reason, Effect::none);
            return {deployment, Effect::roll_back};
        default:
            return {deployment, Effect::none};
    }
}

Error misfit(const Deployment& deployment, EventKind kind) {
    return Error{Errc::conflict, fmt::format("{} is {}: {} does not fit", to_string(deployment.id),
                                             to_string(deployment.state), to_string(kind))};
}

}  // namespace

std::string_view to_string(EventKind kind) {
    switch (kind) {
        case EventKind::picked:
            return "picked";
        case EventKind::fetched:
            return "fetched";
        case EventKind::build_passed:
            return "build_passed";
        case EventKind::test_passed:
            return "test_passed";
        case EventKind::approved:
            return "approved";
        case EventKind::sealed:
            return "sealed";
        case EventKind::release_passed:
            return "release_passed";
        case EventKind::started:
            return "started";
        case EventKind::verified:
            return "verified";
        case EventKind::switched:
            return "switched";
        case EventKind::drained:
            return "drained";
        case EventKind::bake_passed:
            return "bake_passed";
        case EventKind::rolled_back:
            return "rolled_back";
        case EventKind::failed:
            return "failed";
        case EventKind::cancel:
            return "cancel";
        case EventKind::reject:
            return "reject";
        case EventKind::supersede:
            return "supersede";
        case EventKind::interrupted:
            return "interrupted";
    }
    return "";
}

std::string_view to_string(Effect effect) {
    switch (effect) {
        case Effect::none:
            return "none";
        case Effect::fetch:
            return "fetch";
        case Effect::build:
            return "build";
        case Effect::test:
            return "test";
        case Effect::ask_approval:
            return "ask_approval";
        case Effect::seal:
            return "seal";
        case Effect::run_release_command:
            return "run_release_command";
        case Effect::start:
            return "start";
        case Effect::verify:
            return "verify";
        case Effect::switch_traffic:
            return "switch_traffic";
        case Effect::drain:
            return "drain";
        case Effect::bake:
            return "bake";
        case Effect::promote:
            return "promote";
        case Effect::roll_back:
            return "roll_back";
        case Effect::discard:
            return "discard";
        case Effect::take_down:
            return "take_down";
        case Effect::hold_degraded:
            return "hold_degraded";
    }
    return "";
}

Result<Transition> apply(const Deployment& deployment, const Event& event, const Course& course) {
    const auto state = deployment.state;
    if (is_end(state)) return misfit(deployment, event.kind);
    switch (event.kind) {
        case EventKind::picked:
            if (state != queued) break;
            if (event.already_live) return to(deployment, healthy, Effect::none);
            if (deployment.plan == Plan::copy) return to(deployment, sealing, Effect::seal);
            if (deployment.plan == Plan::restart && course.in_place)
                return to(deployment, switching, Effect::switch_traffic);
            if (deployment.plan == Plan::restart)
                return event.warm ? to(deployment, switching, Effect::switch_traffic)
                                  : to(deployment, starting, Effect::start);
            return to(deployment, fetching, Effect::fetch);
        case EventKind::fetched:
            if (state != fetching) break;
            if (event.copy) {
                auto next = deployment;
                next.plan = Plan::copy;
                return to(next, sealing, Effect::seal);
            }
            return to(deployment, building, Effect::build);
        case EventKind::build_passed:
            if (state != building) break;
            return to(deployment, testing, Effect::test);
        case EventKind::test_passed:
            if (state != testing) break;
            if (course.approval && !deployment.approved)
                return to(deployment, awaiting_approval, Effect::ask_approval);
            return to(deployment, sealing, Effect::seal);
        case EventKind::approved: {
            if (state != awaiting_approval) break;
            auto next = deployment;
            next.approved = true;
            return to(next, sealing, Effect::seal);
        }
        case EventKind::sealed:
            if (state != sealing) break;
            return after_seal(deployment, course);
        case EventKind::release_passed: {
            if (state != releasing) break;
            auto next = deployment;
            next.no_way_back = next.no_way_back || event.no_way_back;
            if (next.superseded_by) return overtaken(next);
            return into_running(next, course);
        }
        case EventKind::started:
            if (state != starting) break;
            return to(deployment, verifying, Effect::verify);
        case EventKind::verified:
            if (state != verifying) break;
            if (course.in_place) return to(deployment, baking, Effect::bake);
            return to(deployment, switching, Effect::switch_traffic);
        case EventKind::switched:
            if (state != switching) break;
            if (course.in_place) return to(deployment, verifying, Effect::verify);
            return to(deployment, draining, Effect::drain);
        case EventKind::drained:
            if (state != draining) break;
            return to(deployment, baking, Effect::bake);
        case EventKind::bake_passed:
            if (state != baking) break;
            return to(deployment, healthy, Effect::promote);
        case EventKind::rolled_back:
            if (state != rolling_back) break;
            return end(deployment, rolled_back, deployment.failure.reason, Effect::none);
        case EventKind::failed:
            if (state == queued) break;
            return on_failed(deployment, event.failure, course);
        case EventKind::cancel:
            return on_cancel(deployment, event, course);
        case EventKind::reject: {
            if (state != awaiting_approval) break;
            auto next = deployment;
            next.failure.detail = event.failure.detail;
            return end(next, canceled, Reason::rejected, Effect::discard);
        }
        case EventKind::supersede: {
            auto next = deployment;
            next.superseded_by = event.by;
            if (state == releasing) return Transition{next, Effect::none};
            if (is_switched(state, course)) break;
            next.failure.detail = event.failure.detail;
            next.rule = event.rule;
            return end(next, superseded, Reason::superseded, Effect::discard);
        }
        case EventKind::interrupted:
            return on_interrupted(deployment, event, course);
    }
    return misfit(deployment, event.kind);
}

bool is_switched(State state, const Course& course) {
    return state >= switching || (course.in_place && state == verifying);
}

bool may_supersede(const Deployment& deployment, const Course& course, int superseded_in_row) {
    // A person's rollback or restart is not overtaken by a push.
    if (deployment.plan == Plan::restart) return false;
    if (is_switched(deployment.state, course)) return false;
    if (deployment.state == queued) return true;
    if (deployment.superseded_by) return false;  // it is on its way out
    return superseded_in_row < kSupersededInRowMax;
}

}  // namespace belay::domain
