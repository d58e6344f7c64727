#include "boot_files.hpp"
#include "listening.hpp"
#include "run_id.hpp"
#include "run_record.hpp"
#include "unit_text.hpp"

#include <belay/async/event.hpp>
#include <belay/async/task_group.hpp>
#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>
#include <belay/runtime/systemd_runtime.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/sockets.hpp>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <fcntl.h>
#include <map>
#include <optional>
#include <unistd.h>

namespace belay::runtime {

namespace {

using ports::RunInfo;
using ports::RunState;

// For the manager's part of a start, a stop or a KILL, beside the program's own time.
constexpr Millis kPatience{30'000};
// How long adoption waits for a bus that does not answer, and how often it asks.
constexpr Millis kBusPatience{15'000};
constexpr Millis kBusPause{200};

bool over(const RunInfo& info) {
    return info.state == RunState::exited || info.state == RunState::gone;
}

RunState state_of(const sys::UnitStatus& status) {
    if (status.active_state == "activating" && status.sub_state == "auto-restart")
        return RunState::backing_off;
    if (!status.over()) return RunState::running;
    return status.last_exit ? RunState::exited : RunState::gone;
}

// The program as execvp(3) in its environment would find it.
Result<void> check_program(const ports::ProcessSpec& spec) {
    if (spec.argv.empty() || spec.argv.front().empty())
        return Error{Errc::invalid, "there is no program to run"};
    const auto& name = spec.argv.front();
    std::vector<std::filesystem::path> places;
    if (name.find('/') != std::string::npos) {
        places.push_back(std::filesystem::path(spec.cwd) / name);
    } else {
        std::string path = "/usr/bin:/bin";
        for (const auto& [key, value] : spec.env)
            if (key == "PATH") path = value;
        for (std::size_t at = 0; at <= path.size();) {
            auto end = std::min(path.find(':', at), path.size());
            places.push_back(std::filesystem::path(path.substr(at, end - at)) / name);
            at = end + 1;
        }
    }
    bool found = false;
    std::error_code ignored;
    for (const auto& place : places) {
        if (!std::filesystem::is_regular_file(place, ignored)) continue;
        found = true;
        if (::access(place.c_str(), X_OK) == 0) return {};
    }
    if (found) return Error{Errc::invalid, fmt::format("{} may not be executed", name)};
    return Error{Errc::invalid, fmt::format("no such program: {}", name)};
}

struct Run {
    RunInfo info;
    RunRecord record;
    std::string restart;     // Restart= that is in effect
    std::string invocation;  // of its present start
    std::uint64_t restarts_of_boot = 0;
    async::Subscription changes;
    async::Event ended;
    bool answered = false;    // its start; until then nothing of it is told
    bool looking = false;     // a look at it is under way
    bool look_again = false;  // it changed since it was asked for
};
using RunPtr = std::shared_ptr<Run>;

class SystemdRuntime : public ports::Runtime {
  public:
    SystemdRuntime(boost::asio::any_io_executor executor, async::Timers& timers, sys::Units& units,
                   SystemdRuntimeOptions options)
        : executor_(std::move(executor)),
          timers_(timers),
          units_(units),
          options_(std::move(options)),
          ports_(options_.ports),
          boot_files_(options_.every_boot) {}
    ~SystemdRuntime() override {
        for (auto& [id, run] : runs_)
            run->changes.end();
    }

    Task<Result<RunInfo>> start(ports::ProcessSpec spec, ports::BeforeGo before_go) override;
    Task<Result<std::vector<RunInfo>>> adopt() override;
    Task<Result<void>> set_policy(std::string run_id, RestartPolicy policy) override;
    Task<Result<void>> stop(std::string run_id) override;
    Task<Result<void>> add_listeners(std::string run_id,
                                     std::vector<ports::Listener> listeners) override;
    Task<Result<void>> signal(std::string run_id, int number) override;
    Task<Result<void>> start_at_boot(std::string app, std::vector<std::string> run_ids) override;
    void on_change(std::function<void(const RunInfo&)> callback) override {
        on_change_ = std::move(callback);
    }
    Result<RunInfo> info(const std::string& run_id) const override;
    std::vector<RunInfo> runs() const override;
    Task<Result<void>> forget(std::string run_id) override;
    Task<Result<ports::ListenerReport>> listeners(std::string run_id, std::uint16_t port) override;
    Result<std::uint16_t> allot_port(std::uint16_t preferred) override {
        return ports_->allot(preferred);
    }
    void release_port(std::uint16_t port) override { ports_->release(port); }

  private:
    Result<RunPtr> find(const std::string& run_id) const;
    std::filesystem::path place(const std::string& run_id) const {
        return options_.directory / run_id;
    }
    std::filesystem::path drop_in_folder(const std::string& run_id) const {
        return options_.this_boot / (unit_of(run_id) + ".d");
    }
    Result<void> check(const ports::ProcessSpec& spec) const;
    Result<RunRecord> prepare(const ports::ProcessSpec& spec);
    Task<Result<void>> start_unit(ports::ProcessSpec spec);
    Task<std::optional<Error>> why_not_started(std::string run_id, Error error);
    Task<void> discard(std::string run_id);
    void remove_files(const std::string& run_id) const;
    void watch(const RunPtr& run);
    void answered(const RunPtr& run);
    void look_at(const RunPtr& run);
    static Task<void> look(SystemdRuntime* self, std::weak_ptr<bool> alive, RunPtr run);
    void note_start(Run& run) const;
    void take(Run& run, const Result<sys::UnitStatus>& status);
    void tell(const Run& run);
    Task<Result<sys::UnitStatus>> ask_patiently(std::string unit, async::SteadyTime until);
    Task<void> adopt_one(std::filesystem::path directory, async::SteadyTime until);
    void boot_without(const std::string& run_id);

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    sys::Units& units_;
    SystemdRuntimeOptions options_;
    std::shared_ptr<sys::PortPool> ports_;
    BootFiles boot_files_;
    std::function<void(const RunInfo&)> on_change_;
    std::map<std::string, RunPtr> runs_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<RunPtr> SystemdRuntime::find(const std::string& run_id) const {
    auto at = runs_.find(run_id);
    if (at == runs_.end()) return Error{Errc::not_found, fmt::format("there is no run {}", run_id)};
    return at->second;
}

Result<void> SystemdRuntime::check(const ports::ProcessSpec& spec) const {
    if (!run_id_is_valid(spec.run_id))
        return Error{
            Errc::invalid,
            fmt::format("\"{}\" can't name a run: use letters, digits, . _ -", spec.run_id)};
    if (runs_.contains(spec.run_id))
        return Error{Errc::conflict, fmt::format("run {} exists", spec.run_id)};
    if (spec.socket_activation || !spec.listeners.empty())
        return Error{Errc::invalid,
                     "a unit of systemd gets no listening sockets of Belay's: set "
                     "socket_activation = false, or runtime = \"process\""};
    if (!sys::systemd_is_running())
        return Error{Errc::invalid,
                     "runtime = \"systemd\" needs systemd as PID 1, which this machine does not "
                     "have: set runtime = \"process\""};
    if (::geteuid() != 0)
        return Error{Errc::invalid,
                     "runtime = \"systemd\" needs Belay to run as root: set runtime = \"process\""};
    return check_program(spec);
}

// All that the unit reads, and what the next daemon will.
Result<RunRecord> SystemdRuntime::prepare(const ports::ProcessSpec& spec) {
    const auto directory = place(spec.run_id);
    if (spec.port != 0)
        if (auto free = check_port(spec.port); !free) return free.error();
    auto environment = environment_text(spec.env);
    if (!environment) return environment.error();
    RunRecord record;
    record.run_id = spec.run_id;
    record.port = spec.port;
    record.started_at = timers_.now();
    record.stop_timeout = spec.stop.timeout;
    record.boot = sys::boot_id();
    // What a daemon left that died here: nothing runs by it, or it would have been adopted.
    if (auto removed = boot_files_.remove_unit(spec.run_id); !removed) return removed.error();
    if (auto removed = sys::remove_tree(directory); !removed) return removed.error();
    if (auto made = sys::make_directories(directory, 0700); !made) return made.error();
    if (auto written = write_record(directory, record, false); !written) return written.error();
    if (auto written = sys::write_file(directory / "env", *environment, 0600, false); !written)
        return written.error();
    auto log = sys::open_file(spec.log_path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (!log) return log.error();
    return record;
}

Task<Result<RunInfo>> SystemdRuntime::start(ports::ProcessSpec spec, ports::BeforeGo before_go) {
    const auto id = spec.run_id;
    if (auto checked = check(spec); !checked)
        co_return checked.error().code == Errc::conflict ? checked.error()
                                                         : prefixed(id, checked.error());
    auto record = prepare(spec);
    if (!record) {
        remove_files(id);
        co_return prefixed(id, record.error());
    }
    auto run = std::make_shared<Run>();
    run->record = *record;
    run->info.run_id = id;
    run->info.port = spec.port;
    run->info.policy = spec.policy;
    run->info.started_at = record->started_at;
    runs_[id] = run;
    // The row comes first: its name is all that there is to know of a unit, and the next daemon
    // finds by it what was started, or that nothing was.
    if (before_go) {
        failpoint("candidate_forked");
        auto durable = co_await before_go(run->info);
        if (!durable) {
            runs_.erase(id);
            remove_files(id);
            co_return durable.error();
        }
    }
    auto started = co_await start_unit(spec);
    if (!started) {
        runs_.erase(id);
        // A unit of that name that is there is not the one that was to be made.
        if (started.error().message.find(".UnitExists]") != std::string::npos)
            remove_files(id);
        else
            co_await discard(id);
        co_return started.error();
    }
    failpoint("unit_started");
    watch(run);
    auto status = co_await units_.status(unit_of(id));
    take(*run, status);
    note_start(*run);
    if (spec.port != 0) ports_->hold(spec.port);
    answered(run);
    co_return run->info;
}

Task<Result<void>> SystemdRuntime::start_unit(ports::ProcessSpec spec) {
    const auto id = spec.run_id;
    const auto unit = unit_of(id);
    auto settings = unit_settings(spec, place(id) / "env");
    auto started = co_await units_.start_transient(unit, settings, kPatience);
    if (started) co_return Result<void>{};
    auto why = co_await why_not_started(id, started.error());
    if (!why) co_return Result<void>{};
    co_return prefixed(id, *why);
}

// The job says only that it failed; the unit knows more. None where the program did start: systemd
// may hear of its end before it has seen it begin (Type=exec), and calls that a failed start.
Task<std::optional<Error>> SystemdRuntime::why_not_started(std::string run_id, Error error) {
    if (error.code == Errc::unavailable || error.code == Errc::forbidden)
        co_return Error{Errc::unavailable,
                        fmt::format("systemd could not be asked to start it: {}", error.message)};
    auto status = co_await units_.status(unit_of(run_id));
    if (!status || !status->last_exit) co_return error;
    if (status->last_exit->signal != 0) co_return std::nullopt;
    auto step = step_that_failed(status->last_exit->code);
    if (step.empty()) co_return std::nullopt;
    co_return Error{Errc::invalid, std::string(step)};
}

// The caller's port stays the caller's.
Task<void> SystemdRuntime::discard(std::string run_id) {
    const auto unit = unit_of(run_id);
    auto stopped = co_await units_.stop(unit, kPatience);
    if (!stopped && stopped.error().code != Errc::not_found) {
        // Whether it runs is not known: the next daemon looks.
        log::warning("a run that failed to start can't be stopped",
                     {{"run", run_id}, {"error", stopped.error().message}});
        co_return;
    }
    // Both fail where it is gone already.
    auto reset = co_await units_.reset_failed(unit);
    auto gone = co_await units_.let_go(unit);
    remove_files(run_id);
}

void SystemdRuntime::remove_files(const std::string& run_id) const {
    for (const auto& tree : {drop_in_folder(run_id), place(run_id)})
        if (auto removed = sys::remove_tree(tree); !removed)
            log::warning("a run's directory can't be removed",
                         {{"run", run_id}, {"error", removed.error().message}});
}

// Before it is asked for, so that nothing happens unseen between the two.
void SystemdRuntime::watch(const RunPtr& run) {
    std::weak_ptr<bool> alive = alive_;
    std::weak_ptr<Run> weak = run;
    run->changes = units_.watch(unit_of(run->info.run_id), [this, alive, weak] {
        auto changed = weak.lock();
        if (!changed || alive.expired()) return;
        changed->look_again = true;
        if (changed->answered) look_at(changed);
    });
}

// What happened before is in the answer; a start that fails is told by its error alone.
void SystemdRuntime::answered(const RunPtr& run) {
    run->answered = true;
    if (run->look_again) look_at(run);
}

void SystemdRuntime::look_at(const RunPtr& run) {
    if (std::exchange(run->looking, true)) return;
    boost::asio::co_spawn(executor_, look(this, alive_, run), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
}

// The signals say that something changed; what there is now, is asked.
Task<void> SystemdRuntime::look(SystemdRuntime* self, std::weak_ptr<bool> alive, RunPtr run) {
    do {
        run->look_again = false;
        if (alive.expired()) co_return;
        auto status = co_await self->units_.status(unit_of(run->info.run_id));
        if (alive.expired()) co_return;
        self->take(*run, status);
        if (alive.expired()) co_return;
        self->note_start(*run);
    } while (run->look_again);
    run->looking = false;
}

// So that a start which nobody saw can be told from this one.
void SystemdRuntime::note_start(Run& run) const {
    if (over(run.info) || run.invocation.empty() || run.record.invocation == run.invocation) return;
    run.record.invocation = run.invocation;
    auto written = write_record(place(run.info.run_id), run.record, false);
    if (!written)
        log::warning("what is kept of a run was not written",
                     {{"run", run.info.run_id}, {"error", written.error().message}});
}

void SystemdRuntime::take(Run& run, const Result<sys::UnitStatus>& status) {
    auto& info = run.info;
    // It still is as it was, for all that is known.
    if (!status && status.error().code != Errc::not_found) return;
    if (over(info)) return;
    auto before = info;
    if (!status) {
        // It ended while nobody held it.
        info.state = info.last_exit ? RunState::exited : RunState::gone;
        info.pid = 0;
    } else {
        const bool known = !run.invocation.empty();
        const bool anew =
            known && !status->invocation.empty() && status->invocation != run.invocation;
        if (!status->invocation.empty()) run.invocation = status->invocation;
        run.restart = status->restart;
        info.policy = status->restart == "always" ? RestartPolicy::always : RestartPolicy::never;
        if (status->last_exit) {
            info.last_exit = status->last_exit;
            info.last_exit->known = true;
        }
        const auto state = state_of(*status);
        // It ended and runs again, and both are told.
        if (anew && before.state == RunState::running && state == RunState::running) {
            if (!status->last_exit || before.pid == status->main_pid) {
                info.last_exit = Exit{};
                info.last_exit->known = false;
            }
            info.state = RunState::backing_off;
            info.pid = 0;
            tell(run);
        }
        info.restarts = status->restarts;
        info.pid = status->over() ? 0 : status->main_pid;
        info.state = state;
    }
    const bool changed = info.state != before.state || info.pid != before.pid ||
                         info.restarts != before.restarts || info.policy != before.policy;
    if (over(info)) run.ended.set();
    if (changed) tell(run);
}

void SystemdRuntime::tell(const Run& run) {
    if (!on_change_ || !run.answered) return;
    auto callback = on_change_;  // it may replace itself
    auto info = run.info;
    callback(info);
}

Task<Result<std::vector<RunInfo>>> SystemdRuntime::adopt() {
    std::vector<std::filesystem::path> places;
    std::error_code failure;
    for (std::filesystem::directory_iterator at(options_.directory, failure), end;
         !failure && at != end; at.increment(failure))
        if (run_id_is_valid(at->path().filename().string()) && at->is_directory(failure))
            places.push_back(at->path());
    if (failure) co_return errno_error(failure.value(), "reading " + options_.directory.string());
    std::sort(places.begin(), places.end());
    const auto until = timers_.steady_now() + kBusPatience;
    for (const auto& place : places)
        co_await adopt_one(place, until);
    co_return runs();
}

// A bus that comes up late must not make a second copy of what runs.
Task<Result<sys::UnitStatus>> SystemdRuntime::ask_patiently(std::string unit,
                                                            async::SteadyTime until) {
    if (!sys::systemd_is_running())
        co_return Error{Errc::not_found, "systemd is not this machine's PID 1"};
    while (true) {
        auto status = co_await units_.status(unit);
        if (status || status.error().code == Errc::not_found || timers_.steady_now() >= until)
            co_return status;
        co_await timers_.sleep(kBusPause);
    }
}

Task<void> SystemdRuntime::adopt_one(std::filesystem::path directory, async::SteadyTime until) {
    const auto id = directory.filename().string();
    const auto unit = unit_of(id);
    auto record = read_record(directory);
    if (!record && record.error().code == Errc::not_found) {
        // It is written before anything else.
        log::info("what was left of a run that never began is removed", {{"run", id}});
        remove_files(id);
        co_return;
    }
    if (!record) {
        log::warning("a run can't be adopted; it is left alone",
                     {{"run", id}, {"error", record.error().message}});
        co_return;
    }
    auto run = std::make_shared<Run>();
    run->record = *record;
    auto& info = run->info;
    info.run_id = id;
    info.port = record->port;
    info.started_at = record->started_at;
    info.adopted = true;
    watch(run);
    auto status = co_await ask_patiently(unit, until);
    if (!status && status.error().code != Errc::not_found)
        log::error("systemd can't be asked for a run: it is taken to run until it can",
                   {{"run", id}, {"error", status.error().message}});
    take(*run, status);
    if (status && !over(info)) {
        auto held = co_await units_.hold(unit);
        if (!held) log::warning("a unit is not held", {{"error", held.error().message}});
    }
    if (record->boot != sys::boot_id()) {
        if (status) info.started_at = status->main_started_at;
        info.booted = !over(info);
        if (info.booted)
            log::info("a run that started with the machine is taken over", {{"run", id}});
        run->record.boot = sys::boot_id();
    } else if (!record->invocation.empty() && !run->invocation.empty() &&
               record->invocation != run->invocation) {
        log::warning("a run was started anew while no daemon looked", {{"run", id}});
    }
    note_start(*run);
    if (info.port != 0) ports_->hold(info.port);
    runs_[id] = run;
    answered(run);
}

// Of a unit that runs only a file can change it, and only until the next boot: what boots says so
// in its own.
Task<Result<void>> SystemdRuntime::set_policy(std::string run_id, RestartPolicy policy) {
    auto found = find(run_id);
    if (!found) co_return found.error();
    auto run = *found;
    if (over(run->info)) co_return Error{Errc::conflict, fmt::format("run {} is over", run_id)};
    if (run->restart == (policy == RestartPolicy::always ? "always" : "no"))
        co_return Result<void>{};
    const auto folder = drop_in_folder(run_id);
    if (auto made = sys::make_directories(folder); !made) co_return made.error();
    // After whatever a person has put there for a unit of that name, which is not likely.
    auto written = sys::write_file(folder / "90-belay.conf", policy_text(policy), 0644, false);
    if (!written) co_return written.error();
    failpoint("unit_policy_written");
    auto read = co_await units_.daemon_reload();
    if (!read) co_return prefixed(run_id, read.error());
    auto status = co_await units_.status(unit_of(run_id));
    take(*run, status);
    if (over(run->info)) {
        // It ended meanwhile, and stays down, which is what `never` asks for.
        if (policy == RestartPolicy::never) co_return Result<void>{};
        co_return Error{Errc::conflict, fmt::format("run {} is over", run_id)};
    }
    if (status && (status->restart == "always") != (policy == RestartPolicy::always))
        co_return Error{Errc::internal, fmt::format("{} has Restart={} in spite of {}", run_id,
                                                    status->restart, folder.string())};
    co_return Result<void>{};
}

Task<Result<void>> SystemdRuntime::stop(std::string run_id) {
    auto found = find(run_id);
    if (!found) co_return found.error();
    auto run = *found;
    boot_without(run_id);
    if (over(run->info)) co_return Result<void>{};
    const auto unit = unit_of(run_id);
    // The manager gives a survivor of the signal KILL, and waits as long again.
    auto stopped = co_await units_.stop(unit, 2 * run->record.stop_timeout + kPatience);
    if (!stopped && stopped.error().code == Errc::timeout) {
        auto killed = co_await units_.kill(unit, sys::KillWho::all, SIGKILL);
        if (killed) co_await timers_.wait(run->ended, kPatience);
    }
    failpoint("unit_stopped");
    auto status = co_await units_.status(unit);
    take(*run, status);
    if (over(run->info)) co_return Result<void>{};
    if (!stopped && stopped.error().code != Errc::not_found)
        co_return prefixed("stopping " + run_id, stopped.error());
    co_return Error{Errc::timeout, fmt::format("stopping {}: it is still {}", run_id,
                                               status ? status->sub_state : std::string("there"))};
}

Task<Result<void>> SystemdRuntime::add_listeners(std::string run_id, std::vector<ports::Listener>) {
    auto found = find(run_id);
    if (!found) co_return found.error();
    co_return Error{Errc::invalid,
                    fmt::format("{} is a unit of systemd, which takes no listeners", run_id)};
}

Task<Result<void>> SystemdRuntime::signal(std::string run_id, int number) {
    auto found = find(run_id);
    if (!found) co_return found.error();
    if ((*found)->info.state != RunState::running)
        co_return Error{Errc::conflict, fmt::format("{} does not run", run_id)};
    auto sent = co_await units_.kill(unit_of(run_id), sys::KillWho::main, number);
    if (!sent) co_return prefixed(run_id, sent.error());
    co_return Result<void>{};
}

// The files first, then what names them, which changes in one step; a crash between leaves files
// that nothing names.
Task<Result<void>> SystemdRuntime::start_at_boot(std::string app,
                                                 std::vector<std::string> run_ids) {
    bool changed = false;
    for (const auto& id : run_ids) {
        auto found = find(id);
        if (!found) co_return found.error();
        if (boot_files_.has_unit(id)) continue;
        auto status = co_await units_.status(unit_of(id));
        if (!status) co_return status.error();
        auto transient = sys::read_file(status->file);
        if (!transient) co_return prefixed("what systemd wrote of " + id, transient.error());
        // What it reads must be there after a power cut, too.
        auto run = *found;
        for (const char* name : {"env"})
            if (auto text = sys::read_file(place(id) / name); text)
                if (auto kept = sys::write_file(place(id) / name, *text, 0600); !kept)
                    co_return kept.error();
        if (auto kept = write_record(place(id), run->record, true); !kept) co_return kept.error();
        if (auto kept = sys::fsync_dir(options_.directory); !kept) co_return kept.error();
        auto written = boot_files_.write_unit(id, boot_unit_text(*transient));
        if (!written) co_return written.error();
        changed = true;
    }
    if (changed) failpoint("unit_boot_written");
    auto named = boot_files_.write_target(app, run_ids);
    if (!named) co_return named.error();
    if (!changed && !*named) co_return Result<void>{};
    co_return co_await units_.daemon_reload();
}

// What is stopped for good is not to come back with the machine, whatever happens from here on. Its
// unit's file stays until it is dead, as that says how it is to be stopped.
void SystemdRuntime::boot_without(const std::string& run_id) {
    auto removed = boot_files_.remove_from_target(run_id);
    if (!removed)
        log::warning("a run that ends would start with the machine",
                     {{"run", run_id}, {"error", removed.error().message}});
}

Result<RunInfo> SystemdRuntime::info(const std::string& run_id) const {
    auto run = find(run_id);
    if (!run) return run.error();
    return (*run)->info;
}

std::vector<RunInfo> SystemdRuntime::runs() const {
    std::vector<RunInfo> all;
    for (const auto& [id, run] : runs_)
        all.push_back(run->info);
    return all;
}

Task<Result<void>> SystemdRuntime::forget(std::string run_id) {
    auto found = find(run_id);
    if (!found) co_return found.error();
    auto run = *found;
    if (!over(run->info))
        co_return Error{Errc::conflict, fmt::format("run {} still lives", run_id)};
    boot_without(run_id);
    auto boots_no_more = boot_files_.remove_unit(run_id);
    if (!boots_no_more) co_return boots_no_more.error();
    const auto unit = unit_of(run_id);
    run->changes.end();
    // Both fail where it is gone already, which is what is wanted.
    auto reset = co_await units_.reset_failed(unit);
    auto gone = co_await units_.let_go(unit);
    if (auto removed = sys::remove_tree(drop_in_folder(run_id)); !removed)
        co_return removed.error();
    if (auto removed = sys::remove_tree(place(run_id)); !removed) co_return removed.error();
    if (run->info.port != 0) ports_->release(run->info.port);
    runs_.erase(run_id);
    if (*boots_no_more) {
        auto read = co_await units_.daemon_reload();
        if (!read) log::warning(read.error().message, {{"run", run_id}});
    }
    co_return Result<void>{};
}

Task<Result<ports::ListenerReport>> SystemdRuntime::listeners(std::string run_id,
                                                              std::uint16_t port) {
    auto found = find(run_id);
    if (!found) co_return found.error();
    std::vector<std::uint64_t> inodes;
    if (!over((*found)->info)) {
        auto pids = co_await units_.processes(unit_of(run_id));
        if (!pids && pids.error().code != Errc::not_found) co_return prefixed(run_id, pids.error());
        if (pids)
            for (auto pid : *pids)
                if (auto own = sys::socket_inodes(pid))
                    inodes.insert(inodes.end(), own->begin(), own->end());
    }
    co_return listener_report(inodes, port);
}

}  // namespace

Result<std::unique_ptr<ports::Runtime>> make_systemd_runtime(boost::asio::any_io_executor executor,
                                                             async::Timers& timers,
                                                             sys::Units& units,
                                                             SystemdRuntimeOptions options) {
    // Environments lie there.
    if (auto made = sys::make_directories(options.directory, 0700); !made) return made.error();
    if (!options.ports) options.ports = std::make_shared<sys::PortPool>(sys::PortRange{});
    return std::unique_ptr<ports::Runtime>(
        std::make_unique<SystemdRuntime>(std::move(executor), timers, units, std::move(options)));
}

}  // namespace belay::runtime
