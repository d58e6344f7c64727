// From the repository to the sealed release.
#include "build_key.hpp"
#include "deployer.hpp"
#include "repository.hpp"
#include "users.hpp"

#include <belay/base/log.hpp>
#include <belay/domain/command.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

using domain::Plan;
using domain::Reason;
using domain::ReleaseState;
using domain::StageState;

namespace {

Reason reason_of(const std::string& kind, ports::StageVerdict verdict) {
    // To run the command of a [command] is to start the release.
    if (kind == "command")
        return verdict == ports::StageVerdict::oom ? Reason::oom : Reason::start_failed;
    std::string_view suffix = "_failed";
    if (verdict == ports::StageVerdict::timeout) suffix = "_timeout";
    if (verdict == ports::StageVerdict::silent) suffix = "_silent";
    if (verdict == ports::StageVerdict::oom) suffix = "_oom";
    return domain::parse_reason(kind + std::string(suffix)).value_or(Reason::internal);
}

ports::Submodules submodules_of(const std::string& setting) {
    if (setting == "true") return ports::Submodules::fetched;
    if (setting == "false") return ports::Submodules::empty;
    return ports::Submodules::automatic;
}

// With less than this a step that failed is taken to have failed for want of room. More than the
// record's own reserve, which may have been given back by then.
constexpr std::uint64_t kNothingLeft = std::uint64_t{16} << 20;

}  // namespace

Task<domain::Event> Deployer::fetch() {
    const auto began = world().timers.steady_now();
    open_stage("fetch");
    auto stage = stage_row("fetch");
    auto event = co_await fetch_and_export();
    active().excluded += std::chrono::duration_cast<Millis>(world().timers.steady_now() - began);
    stage.state = event.kind == Kind::failed      ? StageState::failed
                  : event.kind == Kind::supersede ? StageState::canceled
                                                  : StageState::passed;
    if (event.kind == Kind::failed) stage.tail = event.failure.detail;
    close_stage(std::move(stage));
    co_return event;
}

Task<domain::Event> Deployer::fetch_and_export() {
    const auto& config = *active().config;
    if (auto room = world().releases.check_free(services_.server.disk_reserve); !room)
        co_return failed(Reason::disk_full, room.error().message);
    auto problem = co_await unit_problem(Ask::usable);
    if (problem) co_return *problem;
    auto leftovers = co_await world().stages.wait_for_leftovers(app_.name);
    if (!leftovers) co_return failed(Reason::internal, leftovers.error().message);
    auto users = users_of(services_, app_, config);
    if (!users) co_return failed(Reason::config_invalid, users.error().message);
    auto shared = co_await world().releases.shared_directory(app_.name, *users);
    if (!shared && shared.error().code == Errc::conflict)
        co_return failed(Reason::config_invalid, shared.error().message);
    auto logs = world().releases.log_directory(app_.name, to_string(deployment().id));
    if (!logs) co_return failed(Reason::internal, logs.error().message);

    auto access = source_access(services_, config);
    if (!access) co_return failed(Reason::auth_failed, access.error().message);
    ports::FetchJob job;
    job.child.app = app_.name;
    job.child.user = fetch_user(*users);
    job.child.log = *logs + "/fetch.log";
    job.child.timeout = services_.server.git_timeout;
    job.access = std::move(*access);
    job.mirror = mirror_path(services_, app_.name);
    job.wanted = wanted();
    job.directory = config.directory;
    job.submodules = submodules_of(config.submodules);
    auto decided = co_await fetch_and_judge(std::move(job));
    if (decided) co_return *decided;
    co_return co_await export_files(*users, *logs);
}

Task<domain::Event> Deployer::export_files(domain::AppUsers users, std::string logs) {
    auto directory = co_await world().releases.prepare(app_.name, deployment().release, users);
    if (!directory) {
        auto reason =
            directory.error().code == Errc::disk_full ? Reason::disk_full : Reason::internal;
        co_return failed(reason, directory.error().message);
    }
    const auto& config = *active().config;
    ports::ExportJob job;
    job.child.app = app_.name;
    job.child.user = build_user(users);
    job.child.log = logs + "/fetch.log";
    job.child.timeout = services_.server.git_timeout;
    job.mirror = mirror_path(services_, app_.name);
    job.repository = config.repo;
    job.allow = services_.server.git_allow;
    job.commit = deployment().commit;
    job.directory = config.directory;
    job.into = *directory;
    job.submodules = submodules_of(config.submodules);
    auto exported = co_await world().source.export_tree(std::move(job), active().step);
    if (!exported) co_return failed(reason_of(exported.error().reason), exported.error().message);
    Event event;
    event.kind = Kind::fetched;
    co_return event;
}

Task<Result<EnvironmentFacts>> Deployer::facts(bool run_time) {
    auto users = users_of(services_, app_, *active().config);
    if (!users) co_return users.error();
    const std::string kind = run_time ? "run" : "build";
    auto home = co_await world().releases.home(app_.name, kind, *users);
    if (!home) co_return home.error();
    EnvironmentFacts facts;
    facts.app = app_.name;
    facts.deployment = deployment().id;
    facts.release = deployment().release;
    facts.commit = deployment().commit;
    facts.ref = deployment().ref;
    facts.describe = active().describe;
    if (app_.live) facts.previous_commit = app_.live->manifest.commit;
    const auto& config = *active().config;
    if (run_time ? users->named_run : users->named_build)
        facts.user = run_time ? config.run_user() : config.build_user();
    facts.home = *home;
    facts.path = config.path;
    facts.timezone = services_.options.timezone;
    if (run_time) {
        auto shared = co_await world().releases.shared_directory(app_.name, *users);
        if (!shared) co_return shared.error();
        facts.shared = *shared;
    }
    co_return facts;
}

// Runs one step and keeps its record; the job comes with what is particular to its kind.
Task<domain::Event> Deployer::run_stage(ports::StageJob job, std::string kind) {
    const auto began = world().timers.steady_now();
    auto logs = world().releases.log_directory(app_.name, to_string(deployment().id));
    if (!logs) co_return failed(Reason::internal, logs.error().message);
    job.app = app_.name;
    job.log_path = fmt::format("{}/{}.log", *logs, job.name);
    const auto name = job.name;
    open_stage(name);
    auto stage = stage_row(name);
    auto outcome = co_await world().stages.run(std::move(job), active().step);
    active().excluded += std::chrono::duration_cast<Millis>(world().timers.steady_now() - began);
    Event event;
    event.kind = Kind::release_passed;  // the caller's kind replaces it
    if (!outcome) {
        auto reason =
            outcome.error().code == Errc::disk_full ? Reason::disk_full : Reason::internal;
        stage.state = StageState::failed;
        stage.tail = outcome.error().message;
        event =
            failed(reason, fmt::format("{} could not be run: {}", name, outcome.error().message));
    } else {
        stage.exit_code = outcome->exit_code;
        stage.signal = outcome->signal;
        stage.peak_memory = outcome->peak_memory;
        stage.cpu_ms = outcome->cpu_ms;
        stage.log_bytes = outcome->log_bytes;
        stage.state = StageState::passed;
        const bool no_way_back = kind == "release" && outcome->exit_code == 10 &&
                                 outcome->verdict == ports::StageVerdict::failed;
        event.no_way_back = no_way_back;
        if (outcome->verdict == ports::StageVerdict::canceled) {
            stage.state = StageState::canceled;
            event = failed(Reason::canceled, fmt::format("{} was stopped by request", name));
        } else if (outcome->verdict != ports::StageVerdict::passed && !no_way_back) {
            stage.state = StageState::failed;
            stage.tail = outcome->tail;
            event = failed(reason_of(kind, outcome->verdict),
                           fmt::format("{}: {}", name, outcome->detail));
            event.failure.exit_code = outcome->exit_code;
            event.failure.signal = outcome->signal;
            if (auto room = world().releases.check_free(
                    std::min(kNothingLeft, services_.server.disk_reserve));
                !room && room.error().code == Errc::disk_full) {
                event.failure.reason = Reason::disk_full;
                event.failure.detail += "; the disk is full";
            }
        }
    }
    close_stage(std::move(stage));
    co_return event;
}

Task<std::optional<domain::Event>> Deployer::run_steps(std::vector<domain::Step> steps,
                                                       std::string kind) {
    if (steps.empty()) co_return std::nullopt;
    auto facts = co_await this->facts(false);
    if (!facts) co_return failed(Reason::internal, facts.error().message);
    auto secrets = world().config.secrets(*active().config);
    if (!secrets) co_return failed(Reason::config_invalid, secrets.error().message);
    auto users = users_of(services_, app_, *active().config);
    if (!users) co_return failed(Reason::config_invalid, users.error().message);
    for (const auto& step : steps) {
        ports::StageJob job;
        job.name = step.name;
        job.run = step.run;
        job.cwd = world().releases.directory(app_.name, deployment().release);
        auto visible = chosen(*secrets, step.secrets);
        job.env = compose(*facts, step.env, visible);
        for (const auto& [name, value] : visible)
            job.mask.push_back(value);
        if (users->separate()) run_as(job, users->builder());
        job.timeout = step.timeout;
        job.silence = step.silence;
        job.limits = step.limits;
        auto event = co_await run_stage(std::move(job), kind);
        if (event.kind == Kind::failed) co_return event;
    }
    co_return std::nullopt;
}

Task<domain::Event> Deployer::build() {
    auto stopped = co_await run_steps(active().config->build, "build");
    if (stopped) co_return *stopped;
    Event event;
    event.kind = Kind::build_passed;
    co_return event;
}

Task<domain::Event> Deployer::test() {
    if (!active().config->test.empty()) {
        auto mark = co_await world().releases.mark(app_.name, deployment().release);
        if (!mark) co_return failed(Reason::internal, mark.error().message);
        active().mark = *mark;
    }
    auto stopped = co_await run_steps(active().config->test, "test");
    if (stopped) co_return *stopped;
    Event event;
    event.kind = Kind::test_passed;
    co_return event;
}

Task<domain::Event> Deployer::wait_for_approval() {
    // By the wall clock, which goes on while the daemon is down; looked at now and then, as it may
    // be set.
    constexpr Millis kLook{3'600'000};
    if (deployment().expires_at == TimePoint{})  // written before deployments expired
        deployment().expires_at = services_.now() + kApprovalWaits;
    while (true) {
        const auto left = deployment().expires_at - services_.now();
        if (left <= Millis{0})
            co_return not_deployed(domain::Rule::expired,
                                   fmt::format("nobody approved it within {} days",
                                               kApprovalWaits / Millis{86'400'000}));
        const bool slept =
            co_await world().timers.sleep(std::min<Millis>(left, kLook), active().step);
        if (!slept) co_return failed(Reason::canceled, "stopped while it waited for approval");
    }
}

// The manifest of the release about to be sealed, from the configuration snapshot.
domain::Manifest Deployer::manifest_of(const domain::AppConfig& config,
                                       const domain::AppUsers& users) const {
    const auto& own = app_.active->deployment;
    domain::Manifest manifest;
    manifest.app = app_.name;
    manifest.number = own.release;
    manifest.commit = own.commit;
    manifest.ref = own.ref;
    manifest.deployment = own.id;
    manifest.config = own.config;
    manifest.build_key = app_.active->release.build_key;
    manifest.directory = services_.world.releases.directory(app_.name, own.release);
    manifest.health = config.health;
    manifest.traffic = config.traffic;
    manifest.route = {config.traffic.hosts, config.traffic.path_prefix, config.traffic.listen,
                      config.traffic.drain};
    if (config.target == domain::Target::command) {
        manifest.command.emplace();
        manifest.command->argv = domain::argv_of(config.command.run);
        manifest.command->timeout = config.command.timeout;
        if (users.separate()) run_as(*manifest.command, users.runner());
    }
    if (config.target == domain::Target::unit) manifest.unit = unit_plan(config, users);
    for (const auto& process : config.processes) {
        domain::ProcessPlan plan;
        plan.name = process.name;
        plan.instances = process.instances;
        plan.argv = domain::argv_of(process.run);
        if (users.separate()) run_as(plan, users.runner());
        plan.limits = process.limits;
        plan.overlap = process.overlap;
        plan.stop_signal = process.stop_signal;
        plan.stop_to = process.stop_to;
        plan.stop_timeout = process.stop_timeout;
        plan.socket_activation = process.socket_activation;
        plan.runtime = process.runtime;
        manifest.processes.push_back(std::move(plan));
    }
    return manifest;
}

Task<domain::Event> Deployer::seal() {
    return as_stage("seal", seal_release());
}

Task<domain::Event> Deployer::seal_release() {
    const auto& config = *active().config;
    auto& own = deployment();
    auto users = users_of(services_, app_, config);
    if (!users) co_return failed(Reason::config_invalid, users.error().message);
    if (auto room = world().releases.check_free(services_.server.disk_reserve); !room)
        co_return failed(Reason::disk_full, room.error().message);
    auto problem = co_await unit_problem(Ask::usable_by_us);
    if (problem) co_return *problem;
    // Whatever a stage left running could still write.
    auto killed = co_await world().stages.kill_all(users->build);
    if (!killed) co_return failed(Reason::seal_failed, killed.error().message);
    if (own.plan == Plan::copy) {
        auto directory = co_await world().releases.prepare(app_.name, own.release, *users);
        if (!directory) co_return failed(Reason::seal_failed, directory.error().message);
        auto copied = co_await world().releases.copy(app_.name, own.source, own.release, *users);
        if (!copied)
            co_return failed(
                copied.error().code == Errc::disk_full ? Reason::disk_full : Reason::seal_failed,
                copied.error().message);
    }
    auto secrets = world().config.secrets(config);
    if (!secrets) co_return failed(Reason::config_invalid, secrets.error().message);
    auto facts = co_await this->facts(true);
    if (!facts) co_return failed(Reason::internal, facts.error().message);

    ports::SealJob job;
    job.manifest = manifest_of(config, *users);
    job.ship = config.ship;
    job.shared = config.shared;
    job.writable = config.writable;
    job.users = *users;
    job.before_tests = active().mark;
    for (const auto& process : config.processes) {
        auto env = config.env;
        for (const auto& [name, value] : process.env)
            env[name] = value;
        job.environments.emplace_back(process.name, compose(*facts, env, *secrets));
    }
    if (config.target == domain::Target::command) {
        auto env = config.env;
        for (const auto& [name, value] : config.command.env)
            env[name] = value;
        const auto& named = config.command.secrets;
        job.environments.emplace_back(
            "command", compose(*facts, env, named.empty() ? *secrets : chosen(*secrets, named)));
    }
    for (const auto& [name, value] : *secrets)
        job.manifest.secrets.push_back(name);
    job.environments.emplace_back("run", compose(*facts, config.env, *secrets));
    if (!config.release.run.empty())
        job.environments.emplace_back("release", compose(*facts, config.env, *secrets));

    auto sealed = co_await world().releases.seal(std::move(job));
    if (!sealed) co_return failed(sealed.error().reason, sealed.error().error.message);
    active().release.state = ReleaseState::sealed;
    active().release.bytes = sealed->bytes;
    if (!config.release.rollback_safe && !config.release.run.empty()) own.no_way_back = true;
    Event event;
    event.kind = Kind::sealed;
    co_return event;
}

Task<domain::Event> Deployer::release_command() {
    const auto& config = *active().config;
    auto environment =
        co_await world().releases.environment(app_.name, deployment().release, "release");
    if (!environment) co_return failed(Reason::internal, environment.error().message);
    auto secrets = world().config.secrets(config);
    if (!secrets) co_return failed(Reason::config_invalid, secrets.error().message);
    auto users = users_of(services_, app_, config);
    if (!users) co_return failed(Reason::config_invalid, users.error().message);
    ports::StageJob job;
    job.name = "release";
    job.run = config.release.run;
    job.cwd = world().releases.directory(app_.name, deployment().release);
    job.env = std::move(*environment);
    for (const auto& [name, value] : *secrets)
        job.mask.push_back(value);
    if (users->separate()) run_as(job, users->runner());
    job.timeout = config.release.timeout;
    job.silence = config.release.timeout;
    auto event = co_await run_stage(std::move(job), "release");
    if (event.kind != Kind::failed) event.kind = Kind::release_passed;
    co_return event;
}

}  // namespace belay::engine
