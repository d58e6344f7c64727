// A release that takes the place of the one before (spec/decisions.md 29): `current` is pointed at
// it, and the user's command or a restart of the user's unit makes that live, as its processes are
// not Belay's. There is no candidate and nothing warm to go back to, so the way back is the same
// act with the release before.
#include "deployer.hpp"
#include "environment.hpp"
#include "users.hpp"

#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace belay::engine {

using domain::Reason;
using domain::StageState;

Task<domain::Event> Deployer::switch_in_place() {
    open_stage("switch");
    auto stage = stage_row("switch");
    app_.fallback = app_.live;
    auto manifest = co_await intact_manifest();
    Event event;
    if (manifest) {
        app_.live = services_.fleet.make(*manifest);
        auto problem = co_await point_current(app_.live);
        const std::string act = manifest->unit ? "unit" : "command";
        if (problem)
            event = *problem;
        else
            event = co_await bring_up(app_.live, act);
    } else {
        event = manifest.error();
    }
    stage.state = event.kind == Kind::failed ? StageState::failed : StageState::passed;
    stage.exit_code = event.failure.exit_code;
    stage.signal = event.failure.signal;
    if (event.kind == Kind::failed) {
        stage.tail = event.failure.detail;
    } else {
        auto whole =
            std::chrono::duration_cast<Millis>(world().timers.steady_now() - active().picked);
        deployment().overhead_ms = std::max<std::int64_t>(0, (whole - active().excluded).count());
        co_await settle_live();
    }
    close_stage(std::move(stage));
    co_return event;
}

// The intent is durable by now; this and the command can be done again after a crash.
Task<std::optional<domain::Event>> Deployer::point_current(RunSetPtr set) {
    failpoint("before_flip");
    auto flipped = co_await world().releases.set_current(app_.name, set->release());
    if (!flipped) {
        auto reason =
            flipped.error().code == Errc::disk_full ? Reason::disk_full : Reason::switch_failed;
        co_return failed(reason, fmt::format("`current` was not set: {}", flipped.error().message));
    }
    failpoint("after_flip");
    co_return std::nullopt;
}

// The act itself.
Task<domain::Event> Deployer::bring_up(RunSetPtr set, std::string stage) {
    if (set->manifest.unit) co_return co_await act_on_unit(set, std::move(stage));
    co_return co_await run_command(set, std::move(stage));
}

Task<domain::Event> Deployer::act_on_unit(RunSetPtr set, std::string stage_name) {
    const auto& plan = *set->manifest.unit;
    const auto began = world().timers.steady_now();
    const auto since = services_.now();
    open_stage(stage_name);
    auto stage = stage_row(stage_name);
    auto acted = co_await world().units.act(plan.name, plan.action, set->manifest.health.deadline);
    failpoint("unit_acted");
    active().excluded += std::chrono::duration_cast<Millis>(world().timers.steady_now() - began);
    set->started = world().timers.steady_now();
    Event event;
    event.kind = Kind::switched;
    if (!acted) {
        event =
            failed(acted.error().code == Errc::timeout ? Reason::deadline : Reason::start_failed,
                   acted.error().message);
        // How its program ended, if that is why.
        domain::UnitChange end;
        if (acted.error().code == Errc::conflict) {
            auto state = co_await world().units.state(plan.name);
            if (state) end = domain::compare(plan.name, {}, *state);
        }
        if (end.ended()) {
            if (end.failure.reason == Reason::oom) event.failure.reason = Reason::oom;
            event.failure.detail += ": " + with_hint(end.failure, app_.name, plan).detail;
            event.failure.exit_code = end.failure.exit_code;
            event.failure.signal = end.failure.signal;
        }
        auto tail = co_await unit_tail(services_, set->manifest, since);
        stage.tail = with_tail(event.failure.detail, tail);
    }
    stage.state = acted ? StageState::passed : StageState::failed;
    stage.exit_code = event.failure.exit_code;
    stage.signal = event.failure.signal;
    close_stage(std::move(stage));
    co_return event;
}

// Asked before anything is touched: what would fail at the switch would fail on the way back, too.
Task<std::optional<domain::Event>> Deployer::unit_problem(Ask ask) {
    const auto& config = *active().config;
    if (config.target != domain::Target::unit) co_return std::nullopt;
    auto checked = co_await check_unit(services_, unit_plan(config), ask);
    if (checked) co_return std::nullopt;
    co_return failed(Reason::config_invalid, checked.error().message);
}

Task<domain::Event> Deployer::run_command(RunSetPtr set, std::string stage) {
    const auto& manifest = set->manifest;
    if (!manifest.command)
        co_return failed(Reason::internal,
                         fmt::format("release {} has no command", manifest.number));
    // One that a daemon before this one ran ends with it, but not in no time.
    auto leftovers = co_await world().stages.wait_for_leftovers(app_.name);
    if (!leftovers) co_return failed(Reason::internal, leftovers.error().message);
    auto environment = co_await world().releases.environment(app_.name, manifest.number, "command");
    if (!environment) co_return failed(Reason::start_failed, environment.error().message);
    ports::StageJob job;
    job.name = std::move(stage);
    job.run.argv = manifest.command->argv;
    job.cwd = manifest.directory;
    job.env = std::move(*environment);
    job.mask = secrets_in(manifest, job.env);
    add_instance(job.env, "command", 1, 0);
    if (auto user = user_of(*manifest.command)) run_as(job, *user);
    job.timeout = manifest.command->timeout;
    job.silence = manifest.command->timeout;
    auto event = co_await run_stage(std::move(job), "command");
    failpoint("command_run");
    set->started = world().timers.steady_now();
    if (event.kind != Kind::failed) event.kind = Kind::switched;
    co_return event;
}

Task<domain::Event> Deployer::roll_back_in_place() {
    co_await stop_watching();
    close_bake();
    auto old = app_.fallback;
    if (!old) co_return failed(Reason::rollback_failed, "there is no release to go back to");
    auto problem = co_await point_current(old);
    if (problem) co_return failed(Reason::rollback_failed, problem->failure.detail);
    auto event = co_await bring_up(old, "rollback");
    failpoint("flipped_back");
    put_back(old);
    app_.candidate = nullptr;
    co_await settle_live();
    if (event.kind != Kind::failed) event = co_await verify_set(old);
    if (event.kind == Kind::failed)
        co_return failed(Reason::rollback_failed,
                         fmt::format("release {} is the current one again: {}", old->release(),
                                     event.failure.detail));
    app_.live_health = "healthy";
    event.kind = Kind::rolled_back;
    co_return event;
}

}  // namespace belay::engine
