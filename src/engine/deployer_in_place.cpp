// A release that takes the place of the one before (spec/decisions.md 29): `current` is pointed at
// it and the user's command makes that live, as its processes are not Belay's. There is no
// candidate and nothing warm to go back to, so the way back is the same act with the release
// before.
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
        if (problem)
            event = *problem;
        else
            event = co_await run_command(app_.live, "command");
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
    auto event = co_await run_command(old, "rollback");
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
