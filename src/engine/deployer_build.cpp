// From the repository to the sealed release.
#include "build_key.hpp"
#include "deployer.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

using domain::Plan;
using domain::Reason;
using domain::ReleaseState;
using domain::StageState;
using domain::Trigger;

namespace {

Reason reason_of(ports::SourceReason reason) {
    if (auto known = domain::parse_reason(to_string(reason))) return *known;
    return Reason::fetch_failed;
}

Reason reason_of(const std::string& kind, ports::StageVerdict verdict) {
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

std::optional<ports::SourceUser> fetch_user(const domain::AppUsers& users) {
    if (!users.separate()) return std::nullopt;
    // Its files belong to the build group, which only reads them.
    return ports::SourceUser{static_cast<uid_t>(users.fetch), static_cast<gid_t>(users.build), {}};
}

std::optional<ports::SourceUser> build_user(const domain::AppUsers& users) {
    if (!users.separate()) return std::nullopt;
    return ports::SourceUser{static_cast<uid_t>(users.build),
                             static_cast<gid_t>(users.build),
                             {static_cast<gid_t>(users.run)}};
}

std::string short_id(const std::string& commit) {
    return commit.substr(0, 7);
}

std::vector<std::string> argv_of(const domain::Command& command) {
    if (!command.shell.empty()) return {"/bin/sh", "-euc", command.shell};
    return command.argv;
}

}  // namespace

Result<ports::SourceAccess> source_access(const Services& services,
                                          const domain::AppConfig& config) {
    ports::SourceAccess access;
    access.url = config.repo;
    access.allow = services.server.git_allow;
    if (config.credentials.key) access.key_file = config.credentials.key->name;
    for (const auto& file : config.credentials.known_hosts)
        access.known_hosts.emplace_back(file);
    access.username = config.credentials.username;
    if (config.credentials.token) {
        auto token = services.world.config.resolve(*config.credentials.token);
        if (!token) return token.error();
        access.token = *token;
    }
    access.ca_file = config.credentials.ca;
    return access;
}

std::string mirror_path(const Services& services, const std::string& app) {
    return fmt::format("{}/git/{}.git", services.options.state_directory, app);
}

Task<domain::Event> Deployer::fetch() {
    const auto began = world().timers.steady_now();
    co_await open_stage("fetch");
    auto stage = stage_row("fetch");
    auto event = co_await fetch_and_export();
    active().excluded += std::chrono::duration_cast<Millis>(world().timers.steady_now() - began);
    stage.state = event.kind == Kind::failed      ? StageState::failed
                  : event.kind == Kind::supersede ? StageState::canceled
                                                  : StageState::passed;
    if (event.kind == Kind::failed) stage.tail = event.failure.detail;
    co_await close_stage(std::move(stage));
    co_return event;
}

Task<domain::Event> Deployer::fetch_and_export() {
    const auto& config = *active().config;
    if (auto room = world().releases.check_free(services_.server.disk_reserve); !room)
        co_return failed(Reason::disk_full, room.error().message);
    auto leftovers = co_await world().stages.wait_for_leftovers(app_.name);
    if (!leftovers) co_return failed(Reason::internal, leftovers.error().message);
    auto users = users_of(app_, services_.options.separate_users);
    auto logs = world().releases.log_directory(app_.name, to_string(deployment().id));
    if (!logs) co_return failed(Reason::internal, logs.error().message);

    auto access = source_access(services_, config);
    if (!access) co_return failed(Reason::auth_failed, access.error().message);
    ports::FetchJob job;
    job.child.app = app_.name;
    job.child.user = fetch_user(users);
    job.child.log = *logs + "/fetch.log";
    job.child.timeout = services_.server.git_timeout;
    job.access = std::move(*access);
    job.mirror = mirror_path(services_, app_.name);
    job.wanted.commit = deployment().commit;
    if (auto ref = domain::parse_ref(deployment().ref))
        (ref->type == domain::RefType::branch ? job.wanted.branch : job.wanted.tag) = ref->name;
    else if (deployment().commit.empty() || !deployment().pinned) {
        job.wanted.branch = config.branch;
        if (config.branch.empty()) job.wanted.tag_pattern = config.tags;
    }
    job.directory = config.directory;
    job.submodules = submodules_of(config.submodules);

    auto fetched = co_await fetch_with_retries(std::move(job));
    if (!fetched) co_return failed(reason_of(fetched.error().reason), fetched.error().message);
    auto decided = co_await judge_fetched(*fetched);
    if (decided) co_return *decided;
    co_return co_await export_files(users, *logs);
}

Task<ports::SourceResult<ports::Fetched>> Deployer::fetch_with_retries(ports::FetchJob job) {
    // 3 tries, 2 and 8 s apart (reference/deploy-safety.md §1.2); [git] timeout bounds each.
    Millis pause{2'000};
    for (int attempt = 1;; ++attempt) {
        auto fetched = co_await world().source.fetch(job, active().step);
        if (fetched || !fetched.error().transient || attempt == 3 || active().step.requested())
            co_return fetched;
        log::warning("fetching failed; trying again", {{"deployment", to_string(deployment().id)},
                                                       {"error", fetched.error().message}});
        const bool slept = co_await world().timers.sleep(pause, active().step);
        if (!slept) co_return fetched;
        pause *= 4;
    }
}

// What the commit's place in the repository and its history here make of the deployment; none: go
// on.
Task<std::optional<domain::Event>> Deployer::judge_fetched(const ports::Fetched& fetched) {
    auto& own = deployment();
    const auto& config = *active().config;
    if (!fetched.branch.empty() && !fetched.tip.empty()) {
        auto seen = ports::PutRefSeen{app_.name, "refs/heads/" + fetched.branch, fetched.tip,
                                      services_.now()};
        std::vector<ports::Write> writes;
        writes.emplace_back(std::move(seen));
        auto saved = co_await services_.journal.save(std::move(writes), "ref_seen");
        if (!saved)
            log::warning("the branch's tip was not recorded", {{"error", saved.error().message}});
    }
    const bool tip_is_newer = !own.pinned && !fetched.tip.empty() && fetched.tip != fetched.commit;
    if (tip_is_newer && domain::may_supersede(own, app_.record.superseded_in_row)) {
        Event superseded;
        superseded.kind = Kind::supersede;
        if (app_.live && app_.live->manifest.commit == fetched.tip) {
            superseded.failure.detail =
                fmt::format("{} is no longer the tip of {}: {} is, and it is live",
                            short_id(fetched.commit), fetched.branch, short_id(fetched.tip));
            co_return superseded;
        }
        domain::Deployment newer;
        newer.app = app_.name;
        newer.trigger = own.trigger == Trigger::push ? Trigger::poll : own.trigger;
        newer.commit = fetched.tip;
        newer.ref = "refs/heads/" + fetched.branch;
        newer.force = own.force;
        newer.note =
            fmt::format("the tip of {} when {} was fetched", fetched.branch, to_string(own.id));
        auto queued = co_await services_.enqueue(app_, std::move(newer));
        if (!queued) co_return failed(Reason::internal, queued.error().message);
        superseded.by = *queued;
        superseded.failure.detail = fmt::format(
            "{} is no longer the tip of {}: {} is, and is deployed as {}", short_id(fetched.commit),
            fetched.branch, short_id(fetched.tip), to_string(*queued));
        co_return superseded;
    }
    own.commit = fetched.commit;
    if (own.ref.empty()) own.ref = fetched.ref;
    own.author = fetched.author_name;
    own.message = fetched.subject;
    active().describe = fetched.describe;
    auto& release = active().release;
    release.commit = own.commit;
    release.ref = own.ref;
    release.build_key = build_key(world().config, config, own.commit);
    if (own.force) co_return std::nullopt;

    auto releases = co_await services_.journal.store()->releases(app_.name);
    if (!releases) co_return failed(Reason::internal, releases.error().message);
    const bool asked_for = own.trigger == Trigger::manual || own.trigger == Trigger::redeliver;
    for (const auto& earlier : *releases)
        if (earlier.commit == own.commit && earlier.state == ReleaseState::bad &&
            earlier.config == own.config)
            co_return failed(
                Reason::rejected,
                fmt::format(
                    "{} went bad before, as release {}: `belay deploy {} --commit {} --force` "
                    "deploys it all the same",
                    short_id(own.commit), earlier.number, app_.name, own.commit));
    if (!app_.live || app_.live->manifest.commit != own.commit) co_return std::nullopt;
    if (!asked_for && app_.live_release.config == own.config) {
        Event superseded;
        superseded.kind = Kind::supersede;
        superseded.failure.detail = fmt::format("{} is live already, as release {}",
                                                short_id(own.commit), app_.live->release());
        co_return superseded;
    }
    if (app_.live_release.build_key != release.build_key) co_return std::nullopt;
    own.source = app_.live->release();
    Event copied;
    copied.kind = Kind::fetched;
    copied.copy = true;
    co_return copied;
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
    auto users = users_of(app_, services_.options.separate_users);
    const std::string kind = run_time ? "run" : "build";
    auto home = co_await world().releases.home(app_.name, kind, users);
    if (!home) co_return home.error();
    EnvironmentFacts facts;
    facts.app = app_.name;
    facts.deployment = deployment().id;
    facts.release = deployment().release;
    facts.commit = deployment().commit;
    facts.ref = deployment().ref;
    facts.describe = active().describe;
    if (app_.live) facts.previous_commit = app_.live->manifest.commit;
    facts.home = *home;
    facts.path = active().config->path;
    facts.timezone = services_.options.timezone;
    if (run_time) {
        auto shared = co_await world().releases.shared_directory(app_.name, users);
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
    co_await open_stage(name);
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
        }
    }
    co_await close_stage(std::move(stage));
    co_return event;
}

Task<std::optional<domain::Event>> Deployer::run_steps(std::vector<domain::Step> steps,
                                                       std::string kind) {
    if (steps.empty()) co_return std::nullopt;
    auto facts = co_await this->facts(false);
    if (!facts) co_return failed(Reason::internal, facts.error().message);
    auto secrets = world().config.secrets(*active().config);
    if (!secrets) co_return failed(Reason::config_invalid, secrets.error().message);
    auto users = users_of(app_, services_.options.separate_users);
    for (const auto& step : steps) {
        ports::StageJob job;
        job.name = step.name;
        job.run = step.run;
        job.cwd = world().releases.directory(app_.name, deployment().release);
        auto visible = chosen(*secrets, step.secrets);
        job.env = compose(*facts, step.env, visible);
        for (const auto& [name, value] : visible)
            job.mask.push_back(value);
        if (users.separate()) {
            job.uid = users.build;
            job.gid = users.build;
            job.groups = {users.run};
        }
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
    async::Event never;
    auto asked = active().step.on_request([&never] { never.set(); });
    co_await never.wait();
    co_return failed(Reason::canceled, "stopped while it waited for approval");
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
    for (const auto& process : config.processes) {
        domain::ProcessPlan plan;
        plan.name = process.name;
        plan.instances = process.instances;
        plan.argv = argv_of(process.run);
        plan.uid = users.run;
        plan.gid = users.run;
        plan.limits = process.limits;
        plan.overlap = process.overlap;
        plan.stop_signal = process.stop_signal;
        plan.stop_to = process.stop_to;
        plan.stop_timeout = process.stop_timeout;
        plan.socket_activation = process.socket_activation;
        manifest.processes.push_back(std::move(plan));
    }
    return manifest;
}

Task<domain::Event> Deployer::seal() {
    co_await open_stage("seal");
    auto stage = stage_row("seal");
    auto event = co_await seal_release();
    stage.state = event.kind == Kind::failed ? StageState::failed : StageState::passed;
    if (event.kind == Kind::failed) stage.tail = event.failure.detail;
    co_await close_stage(std::move(stage));
    co_return event;
}

Task<domain::Event> Deployer::seal_release() {
    const auto& config = *active().config;
    auto& own = deployment();
    auto users = users_of(app_, services_.options.separate_users);
    if (auto room = world().releases.check_free(services_.server.disk_reserve); !room)
        co_return failed(Reason::disk_full, room.error().message);
    // Whatever a stage left running could still write.
    auto killed = co_await world().stages.kill_all(users.build);
    if (!killed) co_return failed(Reason::seal_failed, killed.error().message);
    if (own.plan == Plan::copy) {
        auto directory = co_await world().releases.prepare(app_.name, own.release, users);
        if (!directory) co_return failed(Reason::seal_failed, directory.error().message);
        auto copied = co_await world().releases.copy(app_.name, own.source, own.release, users);
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
    job.manifest = manifest_of(config, users);
    job.ship = config.ship;
    job.shared = config.shared;
    job.writable = config.writable;
    job.users = users;
    job.before_tests = active().mark;
    for (const auto& process : config.processes) {
        auto env = config.env;
        for (const auto& [name, value] : process.env)
            env[name] = value;
        job.environments.emplace_back(process.name, compose(*facts, env, *secrets));
    }
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
    auto users = users_of(app_, services_.options.separate_users);
    ports::StageJob job;
    job.name = "release";
    job.run = config.release.run;
    job.cwd = world().releases.directory(app_.name, deployment().release);
    job.env = std::move(*environment);
    for (const auto& [name, value] : *secrets)
        job.mask.push_back(value);
    job.uid = users.run;
    job.gid = users.run;
    job.timeout = config.release.timeout;
    job.silence = config.release.timeout;
    auto event = co_await run_stage(std::move(job), "release");
    if (event.kind != Kind::failed) event.kind = Kind::release_passed;
    co_return event;
}

}  // namespace belay::engine
