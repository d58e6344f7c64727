#include "deployer.hpp"

#include "bake_monitor.hpp"

#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace belay::engine {

using domain::Deployment;
using domain::Effect;
using domain::Reason;
using domain::ReleaseState;
using domain::Rule;
using domain::State;
using domain::Transition;

namespace {

// Whatever a transition has not taken along until now.
Task<void> save_stages(Services& services, AppContext& app, DeploymentId id) {
    if (!app.active || app.active->deployment.id != id || app.active->unsaved.empty()) co_return;
    auto writes = std::exchange(app.active->unsaved, {});
    auto saved = co_await services.journal.save(std::move(writes), "stages");
    if (!saved) log::warning("a stage was not recorded", {{"error", saved.error().message}});
}

}  // namespace

Deployer::Deployer(Services& services, AppContext& app) : services_(services), app_(app) {}

Task<void> Deployer::run(Effect effect) {
    while (true) {
        std::optional<Event> event;
        if (!active().asked) {
            active().step = async::Cancel();
            event = co_await perform(effect);
        }
        if (auto asked = std::exchange(active().asked, std::nullopt))
            if (outranks(*asked)) event = *asked;
        if (!event) continue;
        auto transition = domain::apply(deployment(), *event, active().course);
        if (!transition) {
            log::error("a step's outcome does not fit the deployment's state",
                       {{"deployment", to_string(deployment().id)},
                        {"error", transition.error().message}});
            transition =
                domain::apply(deployment(), failed(Reason::internal, transition.error().message),
                              active().course);
        }
        while (!domain::is_end(transition->next.state)) {
            auto refused = co_await advance(*transition);
            if (!refused) break;
            transition = domain::apply(deployment(), *refused, active().course);
        }
        if (domain::is_end(transition->next.state)) {
            co_await finish(*transition);
            co_return;
        }
        effect = transition->effect;
    }
}

// What somebody asked for outranks what the step came to, where it still fits. What only has to be
// known when the step has ended is noted.
bool Deployer::outranks(const Event& asked) {
    auto answer = domain::apply(deployment(), asked, active().course);
    if (!answer) return false;
    const bool waits = answer->next.state == deployment().state && answer->effect == Effect::none;
    if (waits) active().deployment = std::move(answer->next);
    return !waits;
}

Task<void> Deployer::give_up(Reason reason, std::string detail) {
    Transition ended;
    ended.next = deployment();
    ended.next.failure = failed(reason, std::move(detail)).failure;
    ended.next.state = State::failed;
    ended.effect = Effect::discard;
    co_await finish(std::move(ended));
}

Task<domain::Event> Deployer::perform(Effect effect) {
    switch (effect) {
        case Effect::fetch:
            co_return co_await fetch();
        case Effect::build:
            co_return co_await build();
        case Effect::test:
            co_return co_await test();
        case Effect::ask_approval:
            co_return co_await wait_for_approval();
        case Effect::seal:
            co_return co_await seal();
        case Effect::run_release_command:
            co_return co_await release_command();
        case Effect::start:
            co_return co_await start();
        case Effect::verify:
            co_return co_await verify();
        case Effect::switch_traffic:
            if (active().course.in_place) co_return co_await switch_in_place();
            co_return co_await switch_traffic();
        case Effect::drain:
            co_return co_await drain();
        case Effect::bake:
            co_return co_await bake();
        case Effect::roll_back:
            if (active().course.in_place) co_return co_await roll_back_in_place();
            co_return co_await roll_back();
        default:
            co_return failed(Reason::internal, fmt::format("no way to {}", to_string(effect)));
    }
}

domain::Event Deployer::failed(Reason reason, std::string detail) const {
    Event event;
    event.kind = Kind::failed;
    event.failure.reason = reason;
    event.failure.stage = to_string(app_.active->deployment.state);
    event.failure.detail = std::move(detail);
    return event;
}

void Deployer::note_probe(domain::Probe probe) {
    services_.tally.add_probe(app_.name, probe);
    active().unsaved_probes.push_back(std::move(probe));
}

ports::AddProbes Deployer::take_probes() {
    return {deployment().id, std::exchange(active().unsaved_probes, {})};
}

std::string Deployer::sentence(const Deployment& next) const {
    auto text = fmt::format("{} {}", to_string(next.id), to_string(next.state));
    if (next.failure.reason != Reason::none && domain::is_end(next.state))
        text += fmt::format(" ({}): {}", to_string(next.failure.reason), next.failure.detail);
    return text;
}

std::vector<ports::Write> Deployer::writes_of(const Deployment& next, std::string text) {
    auto writes = std::exchange(active().unsaved, {});
    writes.emplace_back(ports::PutDeployment{next});
    writes.emplace_back(event_of(next, services_.now(), std::move(text)));
    if (!active().unsaved_probes.empty()) writes.emplace_back(take_probes());
    return writes;
}

// Both the switch's epoch and that of a way back, so that going back needs no disk
// (spec/decisions.md 9).
void Deployer::reserve_epochs(Deployment& next) {
    next.previous = app_.live ? app_.live->release() : 0;
    next.previous_commit = app_.live ? app_.live->manifest.commit : "";
    next.epoch = app_.record.epoch + 1;
    app_.record.epoch += 2;
}

Deployer::LiveFacts Deployer::facts_of_live() const {
    return {app_.record, app_.live_release, app_.fallback_release, app_.active->release,
            app_.live_health};
}

void Deployer::restore(LiveFacts facts) {
    app_.record = std::move(facts.record);
    app_.live_release = std::move(facts.live);
    app_.fallback_release = std::move(facts.fallback);
    active().release = std::move(facts.own);
    app_.live_health = std::move(facts.health);
}

// The record says that the release is the live one, and the one before what there is to go back to.
void Deployer::make_live(std::vector<ports::Write>& writes) {
    auto& release = active().release;
    app_.record.live = release.number;
    app_.record.stopped = false;
    if (app_.live_release.number != release.number && app_.live_release.number != 0) {
        app_.live_release.state = ReleaseState::standby;
        writes.emplace_back(ports::PutRelease{app_.live_release});
    }
    app_.fallback_release = app_.live_release;
    release.state = ReleaseState::live;
    release.live_since = services_.now();
    app_.live_release = release;
    // In place it is live before anybody has asked it.
    app_.live_health = active().course.in_place ? "unknown" : "healthy";
    writes.emplace_back(ports::PutRelease{release});
    writes.emplace_back(ports::PutApp{app_.record});
}

// Makes the next state durable; an event where that failed and the deployment must not go on.
Task<std::optional<domain::Event>> Deployer::advance(Transition transition) {
    auto& next = transition.next;
    const auto before = deployment().state;
    const bool moved = next.state != before;
    const bool in_place = active().course.in_place;
    if (next.state == State::switching && moved) reserve_epochs(next);
    if (next.state == State::starting && moved && active().release.state == ReleaseState::sealed)
        active().release.state = ReleaseState::candidate;
    // Traffic first: a full or hanging disk must not keep users on a bad release.
    if (next.state == State::rolling_back && moved && !in_place) {
        auto flipped = co_await flip_back();
        active().flipped_back = flipped.has_value();
    }
    // What is in place is live from the moment that `current` is touched, so that is said before.
    const bool goes_live = in_place ? next.state == State::switching && moved
                                    : next.state == State::draining && before == State::switching;
    if (goes_live) next.switched_at = services_.now();
    if (moved)
        next.expires_at =
            next.state == State::awaiting_approval ? services_.now() + kApprovalWaits : TimePoint{};

    auto writes = writes_of(next, sentence(next));
    writes.emplace_back(ports::PutRelease{active().release});
    if (next.state == State::switching && moved) writes.emplace_back(ports::PutApp{app_.record});
    std::optional<LiveFacts> as_it_was;
    if (goes_live) {
        as_it_was = facts_of_live();
        make_live(writes);
    }
    auto saved =
        co_await services_.journal.save(std::move(writes), std::string(to_string(next.state)));
    if (!saved && next.state < State::draining) {
        if (as_it_was) restore(std::move(*as_it_was));
        auto reason = saved.error().code == Errc::disk_full ? Reason::disk_full : Reason::internal;
        co_return failed(reason, fmt::format("the state \"{}\" could not be written: {}",
                                             to_string(next.state), saved.error().message));
    }
    if (!saved)
        log::error("a state was not written; the live processes go first",
                   {{"deployment", to_string(next.id)}, {"error", saved.error().message}});
    log::info("deployment", {{"deployment", to_string(next.id)},
                             {"app", next.app},
                             {"state", std::string(to_string(next.state))}});
    deployment() = next;
    bool working = next.state >= State::fetching && next.state <= State::sealing &&
                   next.plan != domain::Plan::restart;
    if (!working && std::exchange(active().has_slot, false)) services_.slots.release();
    co_return std::nullopt;
}

Task<void> Deployer::finish(Transition transition) {
    auto next = transition.next;
    auto& release = active().release;
    const auto now = services_.now();
    std::vector<ports::Write> writes;
    co_await stop_watching();
    switch (transition.effect) {
        case Effect::discard:
            co_await discard();
            break;
        case Effect::take_down:
            co_await take_down();
            break;
        case Effect::promote:
            co_await promote();
            break;
        case Effect::hold_degraded: {
            auto why = fmt::format("{} {}: {}", to_string(next.id), to_string(next.failure.reason),
                                   next.failure.detail);
            app_.record.hold = domain::Hold{"belay", why, now};
            app_.record.degraded = true;
            writes.emplace_back(app_event(app_.name, now, "degraded",
                                          fmt::format("{} needs a person: {}", app_.name, why)));
            break;
        }
        default:
            break;
    }
    next.finished_at = now;
    next.expires_at = {};
    // A way back that failed, too, is not what it is judged by.
    const auto reason = next.failure.reason == Reason::rollback_failed ? deployment().failure.reason
                                                                       : next.failure.reason;
    const bool own_fault =
        domain::blame_of(reason) == domain::Blame::user && reason != Reason::rejected;
    const bool left_live = transition.effect == Effect::hold_degraded && release.number != 0 &&
                           release.number != app_.record.live;
    if (transition.effect == Effect::discard || transition.effect == Effect::take_down ||
        next.state == State::rolled_back || left_live) {
        if (release.state == ReleaseState::building) {
            release.state = ReleaseState::pruned;
            if (next.failure.reason == Reason::disk_full) co_await make_room(release.number);
        } else if (release.number != app_.record.live) {
            release.state = own_fault && deployment().plan != domain::Plan::restart
                                ? ReleaseState::bad
                                : ReleaseState::retired;
        }
    }
    if (release.number != 0) writes.emplace_back(ports::PutRelease{release});
    for (const auto* other : {&app_.live_release, &app_.fallback_release})
        if (other->number != 0 && other->number != release.number)
            writes.emplace_back(ports::PutRelease{*other});
    // Replays of what is past don't count, or enough of them would make one go on.
    if (next.state != State::superseded)
        app_.record.superseded_in_row = 0;
    else if (next.superseded_by > next.id)
        ++app_.record.superseded_in_row;
    writes.emplace_back(ports::PutApp{app_.record});
    if (next.state == State::healthy && std::exchange(app_.told_unhealthy, false))
        writes.emplace_back(
            app_event(app_.name, now, "recovered",
                      fmt::format("{} has recovered with release {}", app_.name, next.release)));
    for (auto& write : writes_of(next, sentence(next)))
        writes.push_back(std::move(write));
    auto told = co_await decision_of_delivery(next);
    if (told) writes.emplace_back(ports::PutDelivery{*told});
    deployment() = next;
    if (std::exchange(active().has_slot, false)) services_.slots.release();
    co_await services_.journal.save_surely(std::move(writes), std::string(to_string(next.state)));
    log::info("deployment ended", {{"deployment", to_string(next.id)},
                                   {"app", next.app},
                                   {"state", std::string(to_string(next.state))},
                                   {"reason", std::string(to_string(next.failure.reason))},
                                   {"detail", next.failure.detail}});
    // Only now, with everything said and durable, does the release before it stop.
    if (next.state == State::healthy && app_.fallback) {
        co_await close_way_back();
        co_await services_.fleet.stop(std::exchange(app_.fallback, nullptr), Which::all);
    }
}

// Half a release that filled the disk would keep the next attempt from having room.
Task<void> Deployer::make_room(ReleaseNumber unsealed) {
    auto removed = co_await world().releases.remove(app_.name, unsealed);
    if (!removed)
        log::warning("what filled the disk was not removed",
                     {{"app", app_.name}, {"error", removed.error().message}});
}

// A rule that only the fetched commit could tell is the decision on the delivery as well.
Task<std::optional<domain::Delivery>> Deployer::decision_of_delivery(Deployment ended) {
    const bool ruled_out = ended.state == State::canceled &&
                           (ended.rule == Rule::skip_mark || ended.rule == Rule::path_filter ||
                            ended.rule == Rule::older_tag);
    if (!ruled_out || !ended.delivery || !services_.journal.store()) co_return std::nullopt;
    auto delivery = co_await services_.journal.store()->delivery(ended.delivery);
    if (!delivery || !*delivery) co_return std::nullopt;
    (*delivery)->decision = domain::Decision::ignored;
    (*delivery)->rule = ended.rule;
    (*delivery)->reason = ended.failure.detail;
    co_return **delivery;
}

domain::Stage Deployer::stage_row(std::string name) const {
    domain::Stage stage;
    stage.deployment = app_.active->deployment.id;
    stage.attempt = app_.active->deployment.attempt;
    if (auto found = opened_.find(name); found != opened_.end()) stage.started_at = found->second;
    stage.name = std::move(name);
    return stage;
}

void Deployer::open_stage(std::string name) {
    opened_[name] = services_.now();
    auto text = fmt::format("{} began", name);
    save_soon(stage_row(std::move(name)), std::move(text));
}

Task<domain::Event> Deployer::as_stage(std::string name, Task<Event> work) {
    open_stage(name);
    auto stage = stage_row(std::move(name));
    auto event = co_await std::move(work);
    stage.state =
        event.kind == Kind::failed ? domain::StageState::failed : domain::StageState::passed;
    if (event.kind == Kind::failed) stage.tail = event.failure.detail;
    close_stage(std::move(stage));
    co_return event;
}

void Deployer::close_stage(domain::Stage stage) {
    stage.finished_at = services_.now();
    if (stage.state == domain::StageState::failed) active().failed_tail = stage.tail;
    auto text = fmt::format("{} {}", stage.name, to_string(stage.state));
    save_soon(std::move(stage), std::move(text));
}

void Deployer::save_soon(domain::Stage stage, std::string text) {
    auto& unsaved = active().unsaved;
    const bool first = unsaved.empty();
    unsaved.emplace_back(ports::PutStage{std::move(stage)});
    unsaved.emplace_back(event_of(deployment(), services_.now(), std::move(text)));
    if (!active().unsaved_probes.empty()) unsaved.emplace_back(take_probes());
    if (first)
        services_.tasks.spawn("stage rows of " + to_string(deployment().id),
                              save_stages(services_, app_, deployment().id));
}

}  // namespace belay::engine
