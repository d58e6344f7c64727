// Starts the sealed release's candidate, and judges whether it is healthy.
#include "deployer.hpp"
#include "run_end.hpp"

#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace belay::engine {

using domain::Plan;
using domain::Reason;
using domain::StageState;

namespace {

// How often a candidate is tried until it first answers (spec/decisions.md 23).
constexpr Millis kFirstProbes{100};
// What comes so much later than its time tells that the daemon was stopped, suspended or starved.
constexpr Millis kStall{2'000};

// How much later than `due` it is, where that is too much to be chance.
Millis stalled(async::SteadyTime due, async::SteadyTime now) {
    auto late = std::chrono::duration_cast<Millis>(now - due);
    return late > kStall ? late : Millis{0};
}

// Its probes reach what listens on the release's own port.
bool talks_to_port(const domain::Health& health) {
    return health.type == "http" || health.type == "tcp";
}

void put_exit(domain::Failure& failure, const std::optional<Exit>& exit) {
    if (!exit || !exit->known) return;
    if (exit->signal != 0)
        failure.signal = exit->signal;
    else
        failure.exit_code = exit->code;
}

}  // namespace

Task<domain::Event> Deployer::start() {
    return as_stage("start", start_candidate());
}

Task<boost::system::result<domain::Manifest, domain::Event>> Deployer::intact_manifest() {
    auto manifest = co_await world().releases.manifest(app_.name, deployment().release);
    if (!manifest) co_return failed(Reason::start_failed, manifest.error().message);
    if (!*manifest)
        co_return failed(Reason::start_failed,
                         fmt::format("release {} has no manifest any more", deployment().release));
    // The tested files are the ones that run: quickly after sealing, by content after a longer time
    // on disk.
    auto check = deployment().plan == Plan::restart ? ports::Check::full : ports::Check::quick;
    auto intact = co_await world().releases.verify(app_.name, deployment().release, check);
    if (!intact) co_return failed(Reason::artifact_changed, intact.error().message);
    co_return **manifest;
}

Task<domain::Event> Deployer::start_candidate() {
    auto manifest = co_await intact_manifest();
    if (!manifest) co_return manifest.error();
    auto logs = world().releases.log_directory(app_.name, fmt::format("r{}", deployment().release));
    if (!logs) co_return failed(Reason::start_failed, logs.error().message);

    if (app_.candidate && !services_.fleet.all_running(*app_.candidate)) {
        co_await services_.fleet.stop(app_.candidate, Which::all);
        app_.candidate = nullptr;
    }
    if (!app_.candidate) app_.candidate = services_.fleet.make(*manifest);
    auto started =
        co_await services_.fleet.start(app_.candidate, Which::overlapping, RestartPolicy::never);
    if (!started) co_return failed(started.error().reason, started.error().detail);
    failpoint("candidate_started");
    Event event;
    event.kind = Kind::started;
    co_return event;
}

Task<domain::Event> Deployer::verify() {
    open_stage("verify");
    auto stage = stage_row("verify");
    Event event;
    auto set = active().course.in_place ? app_.live : app_.candidate;
    if (!set || set->release() != deployment().release) {
        event = failed(Reason::start_failed, "the candidate is gone");
    } else {
        event = co_await verify_set(set);
    }
    stage.state = event.kind == Kind::failed ? StageState::failed : StageState::passed;
    if (event.kind == Kind::failed && set) {
        auto tail = co_await unit_tail(services_, set->manifest, app_.live_release.live_since);
        stage.tail = with_tail(event.failure.detail, std::move(tail));
    } else if (event.kind == Kind::failed) {
        stage.tail = event.failure.detail;
    }
    stage.exit_code = event.failure.exit_code;
    stage.signal = event.failure.signal;
    close_stage(std::move(stage));
    if (active().course.in_place && event.kind == Kind::verified) app_.live_health = "healthy";
    co_return event;
}

void Deployer::Outside::note(const domain::UnitChange& change) {
    if (change.ended() && !ended)
        ended = change.failure;
    else
        renewed = true;
    changed.set();
}

Task<domain::Event> Deployer::verify_set(RunSetPtr set) {
    Outside outside;
    UnitWatch unit(services_, set->manifest, set->manifest.health.interval,
                   [&outside](const domain::UnitChange& change) { outside.note(change); });
    co_await unit.start();
    auto event = co_await judge_set(set, outside);
    co_await unit.stop();
    co_return event;
}

// Watches a set until each serving member passed its verification and the others stayed up for
// min_healthy_time.
Task<domain::Event> Deployer::judge_set(RunSetPtr set, Outside& outside) {
    const auto& health = set->manifest.health;
    auto& timers = world().timers;
    const auto began = timers.steady_now();
    auto& changed = outside.changed;
    std::optional<Exit> last_exit;
    std::string ended;
    auto end_reason = Reason::exited;
    auto exits = services_.fleet.watch(*set, [&](const Member& member, const ports::RunInfo& info) {
        if (info.state == ports::RunState::running || !ended.empty()) return;
        last_exit = info.last_exit;
        end_reason = reason_of_end(info);
        ended = fmt::format("{} {} before it was healthy", member.process, how_it_ended(info));
        changed.set();
    });
    if (auto dead_already = services_.fleet.dead(*set, Which::all)) {
        ended = dead_already->text + " before it was healthy";
        end_reason = dead_already->reason;
    }

    struct Judged {
        std::size_t index;
        domain::Verification verification;
        bool healthy = false;
        bool owned = false;
        bool gone = false;  // nobody listened any more when its answer was looked into
        std::string last_error;
    };
    std::vector<Judged> judged;
    for (std::size_t i = 0; i < set->members.size(); ++i)
        if (set->members[i].serves && set->members[i].started)
            judged.push_back(
                {i, domain::Verification(health, set->started), false, false, false, {}});
    std::optional<async::SteadyTime> first_pass;
    auto due = began;

    while (true) {
        if (!ended.empty()) {
            auto event = failed(end_reason, ended);
            put_exit(event.failure, last_exit);
            co_return event;
        }
        if (outside.ended) {
            auto event = failed(outside.ended->reason, {});
            event.failure = *outside.ended;
            event.failure.detail += ", before it was healthy";
            event.failure.stage = to_string(deployment().state);
            co_return event;
        }
        if (active().step.requested())
            co_return failed(Reason::canceled, "stopped while it was verified");
        const auto round = timers.steady_now();
        // What the process before has proven says nothing of this one.
        if (std::exchange(outside.renewed, false)) {
            first_pass.reset();
            for (auto& one : judged)
                one.verification.skip(Millis{0});
        }
        changed.reset();
        const auto unseen = stalled(due, round);
        if (unseen > Millis{0}) {
            log::warning("nobody looked for a while: its health is judged anew",
                         {{"app", app_.name}, {"unseen", format_duration(unseen)}});
            first_pass.reset();
            for (auto& one : judged)
                one.verification.skip(unseen);
        }
        bool all = true;
        bool passed_once = true;
        for (auto& one : judged) {
            const auto asked = timers.steady_now();
            auto probe = co_await probe_member(services_, set, one.index, active().step);
            if (active().step.requested())
                co_return failed(Reason::canceled, "stopped while it was verified");
            const auto at = timers.steady_now();
            // It ran out of its time while the daemon did not run.
            if (stalled(asked + health.timeout, at) > Millis{0}) {
                one.verification.skip(std::chrono::duration_cast<Millis>(at - asked));
                all = false;
                continue;
            }
            bool passed = probe.passed();
            one.last_error = probe.error;
            note_probe(std::move(probe));
            if (passed && !one.owned && talks_to_port(health)) {
                auto owned = co_await check_owner(set, one.index, one.gone);
                if (!owned) co_return failed(Reason::not_owner, owned.error().message);
                one.owned = passed = *owned;
                if (!*owned) one.last_error = "what answered does not listen any more";
            }
            // It has begun to speak: what it passed by its silence until then says nothing.
            if (!passed && says_it_starts(services_, set->members[one.index])) {
                first_pass.reset();
                one.verification.begin_anew();
            }
            if (passed && !first_pass) first_pass = at;
            auto verdict = one.verification.on_probe(passed, at);
            if (verdict == domain::Verdict::unhealthy || verdict == domain::Verdict::flapping)
                co_return failed(
                    verdict == domain::Verdict::flapping ? Reason::flapping : Reason::unhealthy,
                    fmt::format("it answered, then failed its health check again: {}",
                                one.last_error));
            if (verdict == domain::Verdict::deadline)
                co_return co_await overdue(set, one.index, one.last_error);
            one.healthy = verdict == domain::Verdict::healthy;
            if (one.healthy && !one.owned) {
                auto wrong = co_await check_stranger(set, one.index);
                if (wrong) co_return *wrong;
            }
            all = all && one.healthy;
            passed_once = passed_once && one.verification.passed_once();
        }
        const auto now = timers.steady_now();
        if (judged.empty()) {
            first_pass = began;
            all = now - began >= health.min_healthy_time;
        }
        if (all && ended.empty() && !outside.changed.is_set()) {
            active().excluded += std::chrono::duration_cast<Millis>(*first_pass - began);
            active().excluded += health.min_healthy_time;
            Event event;
            event.kind = Kind::verified;
            co_return event;
        }
        auto pause = passed_once ? health.interval : first_pause(health, kFirstProbes);
        pause -= std::chrono::duration_cast<Millis>(now - round);
        // The probe that can complete the stability window comes just when it is complete.
        if (passed_once && first_pass) {
            auto rest =
                std::chrono::duration_cast<Millis>(*first_pass + health.min_healthy_time - now);
            if (rest > Millis{0}) pause = std::min(pause, rest + Millis{1});
        }
        pause = std::max(pause, Millis{1});
        due = timers.steady_now() + pause;
        co_await timers.wait(changed, pause, active().step);
    }
}

// True where the one that answered is the candidate, false where it has to be asked again. The
// error says who it was.
Task<Result<bool>> Deployer::check_owner(RunSetPtr set, std::size_t index, bool& gone) {
    const auto& member = set->members[index];
    if (!set->manifest.health.url.empty() || !member.ours())
        co_return true;  // what answers there isn't ours to know
    auto report = co_await world().runtime.listeners(member.run_id, member.port);
    if (!report) co_return report.error();
    if (report->owned()) co_return true;
    // It may have died since: its exit or the next probe will tell.
    if (report->on_port.empty() && !std::exchange(gone, true)) co_return false;
    co_return Error{Errc::conflict, explain(*report, member.port)};
}

// Where its probes don't ask at its port, a process need not listen there; but nobody else may.
Task<std::optional<domain::Event>> Deployer::check_stranger(RunSetPtr set, std::size_t index) {
    const auto& member = set->members[index];
    if (!member.ours()) co_return std::nullopt;
    auto report = co_await world().runtime.listeners(member.run_id, member.port);
    if (!report) co_return failed(Reason::not_owner, report.error().message);
    if (report->on_port.empty() || report->owned()) co_return std::nullopt;
    co_return failed(Reason::not_owner, explain(*report, member.port));
}

Task<domain::Event> Deployer::overdue(RunSetPtr set, std::size_t index, std::string last_error) {
    const auto& member = set->members[index];
    auto text = fmt::format("not healthy within {}; the last probe: {}",
                            format_duration(set->manifest.health.deadline), last_error);
    if (!member.ours()) co_return failed(Reason::deadline, std::move(text));
    auto report = co_await world().runtime.listeners(member.run_id, member.port);
    if (report && !report->owned() && !report->elsewhere.empty())
        text += "; " + explain(*report, member.port);
    co_return failed(Reason::deadline, std::move(text));
}

}  // namespace belay::engine
