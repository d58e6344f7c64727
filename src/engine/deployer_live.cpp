// From the switch of the traffic to the end of the bake, and the ways back.
#include "bake_monitor.hpp"
#include "deployer.hpp"

#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace belay::engine {

using domain::Reason;
using domain::StageState;

namespace {

// Between two looks through the proxy.
constexpr Millis kLook{100};
// How long a way back waits for the release before to answer (reference/deploy-safety.md §1.2,
// state 12).
constexpr Millis kRollbackPatience{30'000};

bool has_exclusive(const RunSet& set) {
    return std::any_of(set.members.begin(), set.members.end(),
                       [](const Member& member) { return !member.overlap; });
}

}  // namespace

Task<domain::Event> Deployer::switch_traffic() {
    open_stage("switch");
    auto stage = stage_row("switch");
    auto event = co_await flip_to_candidate();
    stage.state = event.kind == Kind::failed ? StageState::failed : StageState::passed;
    if (event.kind == Kind::failed) stage.tail = event.failure.detail;
    if (event.kind == Kind::switched) {
        auto whole =
            std::chrono::duration_cast<Millis>(world().timers.steady_now() - active().picked);
        deployment().overhead_ms = std::max<std::int64_t>(0, (whole - active().excluded).count());
    }
    // Its end is written after the switch is committed, which must not wait for it.
    switch_stage_ = std::move(stage);
    if (event.kind == Kind::failed) close_switch_stage();
    co_return event;
}

Task<domain::Event> Deployer::flip_to_candidate() {
    auto candidate = app_.candidate;
    if (!candidate) co_return failed(Reason::switch_failed, "the candidate is gone");
    if (auto dead = services_.fleet.dead(*candidate, Which::all))
        co_return failed(dead->reason, dead->text + " just before the switch");
    if (has_exclusive(*candidate)) {
        auto problem = co_await change_exclusive(candidate);
        if (problem) {
            co_await revert_switch();
            co_return *problem;
        }
    }
    auto upstreams = services_.fleet.upstreams(*candidate);
    failpoint("before_flip");
    if (!upstreams.empty()) {
        auto route = route_of(candidate->manifest, std::move(upstreams), deployment().epoch);
        if (app_.live) {
            route.fallback = app_.live->release();
            route.fallback_upstreams = services_.fleet.upstreams_beside(*app_.live);
        }
        auto applied = co_await world().traffic.apply(std::move(route));
        if (!applied) {
            co_await revert_switch();
            co_return failed(
                Reason::switch_failed,
                fmt::format("the proxy did not take the new route: {}", applied.error().message));
        }
    }
    failpoint("after_flip");
    // The way back of a deployment that failed and was left as it was: nobody else ends it.
    auto left = std::exchange(app_.fallback, app_.live);
    if (left && left != app_.live)
        services_.tasks.spawn("stop what was left", services_.fleet.stop(left, Which::all));
    app_.live = candidate;
    app_.candidate = nullptr;
    Event event;
    event.kind = Kind::switched;
    co_return event;
}

// Processes that must not run twice: the old ones end, then the new ones begin (a gap, by the
// user's choice).
Task<std::optional<domain::Event>> Deployer::change_exclusive(RunSetPtr candidate) {
    if (app_.live) co_await services_.fleet.stop(app_.live, Which::exclusive);
    auto started =
        co_await services_.fleet.start(candidate, Which::exclusive, RestartPolicy::never);
    if (!started) co_return failed(started.error().reason, started.error().detail);
    bool serving =
        std::any_of(candidate->members.begin(), candidate->members.end(),
                    [](const Member& member) { return member.serves && !member.overlap; });
    if (!serving) co_return std::nullopt;
    auto verified = co_await verify_set(candidate);
    if (verified.kind == Kind::failed) co_return verified;
    co_return std::nullopt;
}

// The switch did not come about: all as it was before.
Task<void> Deployer::revert_switch() {
    if (app_.candidate) co_await services_.fleet.stop(app_.candidate, Which::exclusive);
    if (app_.live) {
        auto restarted = co_await services_.fleet.start(app_.live, Which::exclusive,
                                                        RestartPolicy::always, KeepOthers::yes);
        if (!restarted)
            log::error("a process of the live release did not come back",
                       {{"app", app_.name}, {"error", restarted.error().detail}});
        auto route = route_of(app_.live->manifest, services_.fleet.upstreams(*app_.live),
                              deployment().epoch + 1);
        auto applied = co_await world().traffic.apply(std::move(route));
        if (!applied)
            log::error("the proxy did not confirm the live release's route",
                       {{"app", app_.name}, {"error", applied.error().message}});
    } else {
        auto removed = co_await world().traffic.remove(app_.name, deployment().epoch + 1);
        if (!removed)
            log::error("the proxy did not remove the route", {{"error", removed.error().message}});
    }
}

void Deployer::watch_from_now() {
    if (active().monitor || !app_.live) return;
    active().monitor = std::make_unique<BakeMonitor>(
        services_, app_.live, deployment().previous,
        [this](domain::Probe probe) { note_probe(std::move(probe)); });
    active().monitor->start();
}

Task<void> Deployer::stop_watching() {
    if (!active().monitor) co_return;
    co_await active().monitor->stop();
    active().monitor.reset();
}

// The plain files that say what is live, and who restarts it: all can be done again after a crash.
Task<void> Deployer::settle_live() {
    const ReleaseNumber number = app_.live ? app_.live->release() : 0;
    auto current = co_await world().releases.set_current(app_.name, number);
    if (!current)
        log::error("`current` was not set",
                   {{"app", app_.name}, {"error", current.error().message}});
    auto written = co_await world().releases.write_live(live_manifest(app_));
    if (!written)
        log::error("live/APP.json was not written",
                   {{"app", app_.name}, {"error", written.error().message}});
    failpoint("live_written");
    if (app_.live) co_await services_.fleet.keep_up(app_.live, RestartPolicy::always);
    auto synced = co_await world().traffic.sync();
    if (!synced)
        log::warning("the proxy's table is not on disk yet", {{"error", synced.error().message}});
}

namespace {

// Lives on its own: once the old release has the traffic again nobody waits for it.
Task<void> drain_old(ports::Traffic& traffic, std::string app, ReleaseNumber release,
                     Millis timeout, std::shared_ptr<async::Event> done) {
    auto drained = co_await traffic.drain(app, release, timeout);
    if (!drained)
        log::warning("draining was not confirmed",
                     {{"app", app}, {"error", drained.error().message}});
    else if (drained->in_flight_left > 0)
        log::warning("requests to the old release took longer than the drain",
                     {{"app", app}, {"left", fmt::to_string(drained->in_flight_left)}});
    done->set();
}

struct Seen {
    Result<ReleaseNumber> release{ReleaseNumber{0}};
    async::Event done;
};

// As drain_old(): the proxy waits for a process that takes no connections, and nobody else should.
Task<void> look_through_proxy(ports::Prober& prober, ports::ProbeTarget target, std::string nonce,
                              std::shared_ptr<Seen> seen) {
    seen->release = co_await prober.through_proxy(std::move(target), std::move(nonce));
    seen->done.set();
}

}  // namespace

// False where something else came first: what is watched has tripped, or somebody asked.
Task<bool> Deployer::undisturbed_until(async::Event& done) {
    async::Event over;
    auto on_done = done.on_set([&over] { over.set(); });
    auto on_trip = active().monitor->tripped().on_set([&over] { over.set(); });
    auto on_ask = active().step.on_request([&over] { over.set(); });
    co_await over.wait();
    co_return !active().monitor->tripped().is_set() && !active().step.requested();
}

// Watches while the old release finishes what it has begun.
Task<domain::Event> Deployer::drain() {
    watch_from_now();
    close_switch_stage();
    co_await settle_live();
    open_stage("bake");
    auto reached = co_await probe_through_proxy();
    if (!reached) co_return left(failed(Reason::switch_failed, reached.error().message));
    if (!*reached) co_return left(tripped_or_asked());
    auto done = std::make_shared<async::Event>();
    if (app_.fallback && app_.fallback->release() != deployment().release)
        services_.tasks.spawn("drain",
                              drain_old(world().traffic, app_.name, app_.fallback->release(),
                                        app_.fallback->manifest.route.drain, done));
    else
        done->set();
    const bool drained = co_await undisturbed_until(*done);
    if (!drained) co_return left(tripped_or_asked());
    Event event;
    event.kind = Kind::drained;
    co_return event;
}

Task<domain::Event> Deployer::bake() {
    if (!active().monitor) {  // taken up again after an interruption: from zero
        watch_from_now();
        co_await settle_live();
        open_stage("bake");
    }
    auto& timers = world().timers;
    auto& monitor = *active().monitor;
    const auto& manifest = app_.live->manifest;
    while (!monitor.tripped().is_set() && !active().step.requested()) {
        auto end = monitor.began() + manifest.traffic.bake;
        auto rest = std::chrono::ceil<Millis>(end - timers.steady_now());
        if (rest <= Millis{0}) break;
        co_await timers.wait(monitor.tripped(), rest, active().step);
    }
    // The last word is a probe at this very moment; one that fails waits for the verdict.
    while (!monitor.tripped().is_set() && !active().step.requested()) {
        const bool passes = co_await monitor.passes_now();
        if (passes) break;
        co_await timers.wait(monitor.tripped(), manifest.health.interval, active().step);
    }
    if (monitor.tripped().is_set() || active().step.requested()) {
        auto event = tripped_or_asked();
        bake_tail_ = co_await unit_tail(services_, manifest, app_.live_release.live_since);
        co_return left(std::move(event));
    }
    auto stage = stage_row("bake");
    stage.state = StageState::passed;
    close_stage(std::move(stage));
    Event event;
    event.kind = Kind::bake_passed;
    co_return event;
}

domain::Event Deployer::tripped_or_asked() const {
    const auto& active = *app_.active;
    if (!active.monitor->tripped().is_set()) return failed(Reason::canceled, "canceled");
    Event event;
    event.kind = Kind::failed;
    event.failure = active.monitor->failure();
    event.failure.stage = to_string(active.deployment.state);
    return event;
}

// The bake is over before its time; its row says so only after the traffic is back, in
// close_bake().
domain::Event Deployer::left(Event event) {
    bake_end_ = event;
    return event;
}

void Deployer::close_bake() {
    auto event = std::exchange(bake_end_, std::nullopt);
    if (!event) return;
    auto stage = stage_row("bake");
    stage.state =
        event->failure.reason == Reason::canceled ? StageState::canceled : StageState::failed;
    stage.tail = with_tail(event->failure.detail, std::exchange(bake_tail_, {}));
    stage.exit_code = event->failure.exit_code;
    stage.signal = event->failure.signal;
    close_stage(std::move(stage));
}

void Deployer::close_switch_stage() {
    auto stage = std::exchange(switch_stage_, std::nullopt);
    if (stage) close_stage(std::move(*stage));
}

// Asks through the proxy's own door who answers; only another release's answer counts against this
// one.
Task<Result<bool>> Deployer::probe_through_proxy() {
    const auto& manifest = app_.live->manifest;
    std::string address =
        manifest.route.listen.empty() ? std::string() : manifest.route.listen.front();
    if (address.empty() && services_.hooks.proxy_address) address = services_.hooks.proxy_address();
    auto colon = address.rfind(':');
    if (address.empty() || colon == address.npos || services_.fleet.upstreams(*app_.live).empty())
        co_return true;
    ports::ProbeTarget target;
    target.health = manifest.health;
    target.health.type = "http";
    target.health.url.clear();
    if (!target.health.path.starts_with(manifest.route.path_prefix))
        target.health.path = manifest.route.path_prefix;
    target.host = address.substr(0, colon);
    if (target.host.empty() || target.host == "0.0.0.0" || target.host == "[::]")
        target.host = "127.0.0.1";
    target.port = static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1));
    if (!manifest.route.hosts.empty()) {
        target.host_header = manifest.route.hosts.front();
        if (target.host_header.starts_with("*.")) target.host_header.replace(0, 1, "belay-probe");
    }
    for (int attempt = 1; attempt <= 3; ++attempt) {
        auto seen = std::make_shared<Seen>();
        services_.tasks.spawn(
            "look through the proxy",
            look_through_proxy(world().prober, target, services_.options.nonce, seen));
        const bool undisturbed = co_await undisturbed_until(seen->done);
        if (!undisturbed) co_return false;
        const auto& answered = seen->release;
        if (answered && *answered == deployment().release) co_return true;
        if (answered)
            co_return Error{Errc::conflict,
                            fmt::format("through the proxy at {} release {} answered, not {}",
                                        address, *answered, deployment().release)};
        if (attempt == 3) {
            log::warning(
                "the new release was not seen through the proxy",
                {{"app", app_.name}, {"address", address}, {"error", answered.error().message}});
            break;
        }
        const bool slept = co_await world().timers.sleep(kLook, active().step);
        if (!slept) co_return false;
    }
    co_return true;
}

// Gives the traffic back to the release before, which still runs; needs no disk.
Task<Result<void>> Deployer::flip_back() {
    auto old = app_.fallback;
    if (!old) co_return Error{Errc::internal, "there is no release to go back to"};
    if (has_exclusive(*old) && app_.live)
        co_await services_.fleet.stop(app_.live, Which::exclusive);
    if (!services_.fleet.all_running(*old)) {
        auto revived = co_await services_.fleet.revive(old);
        if (!revived)
            co_return Error{Errc::unavailable, fmt::format("release {} did not come back: {}",
                                                           old->release(), revived.error().detail)};
    }
    // Users are not sent from something that answers to something that does not.
    auto& unanswered = active().unanswered;
    if (unanswered.empty()) {
        const bool answers = co_await wait_for_first_pass(services_, old, kRollbackPatience);
        if (!answers) unanswered = fmt::format("release {} does not answer either", old->release());
    }
    if (!unanswered.empty() && app_.live && !services_.fleet.dead(*app_.live, Which::all))
        co_return Error{Errc::unavailable, unanswered};
    auto upstreams = services_.fleet.upstreams(*old);
    if (!upstreams.empty()) {
        auto route = route_of(old->manifest, std::move(upstreams), deployment().epoch + 1);
        auto applied = co_await world().traffic.apply(route);
        if (!applied && applied.error().code == Errc::conflict) {
            // It went back once before, at another port.
            route.epoch = ++app_.record.epoch;
            applied = co_await world().traffic.apply(std::move(route));
        }
        if (!applied) co_return applied.error();
    }
    failpoint("flipped_back");
    put_back(old);
    co_return Result<void>{};
}

// What has the traffic, or is the current one, is the release before again.
void Deployer::put_back(RunSetPtr old) {
    app_.candidate = app_.live;
    app_.live = old;
    app_.fallback = nullptr;
    app_.live_release = app_.fallback_release;
    app_.live_release.state = domain::ReleaseState::live;
    app_.fallback_release = {};
    app_.record.live = old->release();
}

// Nothing fails over any more to what is about to stop.
Task<void> Deployer::close_way_back() {
    auto upstreams = services_.fleet.upstreams(*app_.live);
    if (upstreams.empty()) co_return;
    auto applied = co_await world().traffic.apply(
        route_of(app_.live->manifest, std::move(upstreams), deployment().epoch + 1));
    // A route of a higher epoch has no fallback either. A proxy that is away gets it once it is
    // back.
    if (!applied && applied.error().code != Errc::conflict)
        log::warning("the proxy did not hear that the release before it ends",
                     {{"app", app_.name}, {"error", applied.error().message}});
}

Task<domain::Event> Deployer::roll_back() {
    if (!active().flipped_back) {
        auto flipped = co_await flip_back();
        if (!flipped) co_return failed(Reason::rollback_failed, flipped.error().message);
    }
    co_await stop_watching();
    close_bake();
    co_await settle_live();
    // What may not run beside another of it runs anew.
    co_await settle_boot(services_, app_);
    if (app_.candidate)
        co_await services_.fleet.stop(std::exchange(app_.candidate, nullptr), Which::all);
    if (!active().unanswered.empty())
        co_return failed(Reason::rollback_failed, active().unanswered);
    Event event;
    event.kind = Kind::rolled_back;
    co_return event;
}

// Healthy: from now on this is what boots.
Task<void> Deployer::promote() {
    auto& release = active().release;
    if (release.healthy_since == TimePoint{}) release.healthy_since = services_.now();
    release.state = domain::ReleaseState::live;
    app_.live_release = release;
    if (app_.fallback_release.number != 0 && app_.fallback_release.number != release.number)
        app_.fallback_release.state = domain::ReleaseState::retired;
    app_.record.stable = release.number;
    app_.record.degraded = false;
    app_.stable = with_ports(*app_.live);
    auto written = co_await world().releases.write_live(live_manifest(app_));
    if (!written)
        log::error("live/APP.json was not written: a boot would start the release before",
                   {{"app", app_.name}, {"error", written.error().message}});
    failpoint("promoted");
    co_await settle_boot(services_, app_);
}

Task<void> Deployer::discard() {
    close_bake();
    if (app_.candidate)
        co_await services_.fleet.stop(std::exchange(app_.candidate, nullptr), Which::all);
}

Task<void> Deployer::take_down() {
    if (!active().course.in_place) {
        auto removed = co_await world().traffic.remove(app_.name, deployment().epoch + 1);
        if (!removed)
            log::error("the route was not removed",
                       {{"app", app_.name}, {"error", removed.error().message}});
    }
    close_bake();
    if (app_.live) co_await services_.fleet.stop(std::exchange(app_.live, nullptr), Which::all);
    app_.record.live = 0;
    app_.record.stable = 0;
    app_.stable.reset();
    app_.live_release = {};
    auto current = co_await world().releases.set_current(app_.name, 0);
    auto gone = co_await world().releases.remove_live(app_.name);
    if (!current || !gone) log::error("what was live is still named on disk", {{"app", app_.name}});
}

}  // namespace belay::engine
