#include "listening.hpp"
#include "run_id.hpp"

#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>
#include <belay/runtime/process_runtime.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/ports.hpp>
#include <belay/sys/service.hpp>
#include <belay/sys/sockets.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace belay::runtime {

namespace {

using ports::RunInfo;
using ports::RunState;

RunState state_of(sys::ServiceState state) {
    switch (state) {
        case sys::ServiceState::waiting:
        case sys::ServiceState::running:
            return RunState::running;
        case sys::ServiceState::backing_off:
            return RunState::backing_off;
        case sys::ServiceState::exited:
            return RunState::exited;
        case sys::ServiceState::gone:
            return RunState::gone;
    }
    return RunState::gone;
}

RunInfo info_of(const std::string& run_id, const sys::ServiceStatus& status) {
    RunInfo info;
    info.run_id = run_id;
    info.state = state_of(status.state);
    info.pid = status.pid;
    info.shim_pid = status.shim.pid;
    info.port = status.port;
    info.policy = status.policy;
    info.restarts = status.restarts;
    info.last_exit = status.last_exit;
    info.started_at = status.started_at;
    info.adopted = status.adopted;
    info.shim_alive = status.shim_alive;
    return info;
}

sys::ServiceSpec service_spec(const ports::ProcessSpec& spec) {
    sys::ServiceSpec service;
    service.run_id = spec.run_id;
    service.log_path = spec.log_path;
    service.policy = spec.policy;
    service.port = spec.port;
    service.program.argv = spec.argv;
    service.program.env = spec.env;
    service.program.cwd = spec.cwd;
    service.program.user = spec.user;
    service.program.limits = spec.limits;
    service.program.stop = spec.stop;
    service.program.first_backoff = spec.first_backoff;
    for (const auto& listener : spec.listeners)
        service.program.listeners.push_back({listener.fd, listener.name});
    return service;
}

// A run in the list; shared with coroutines that wait, as forget() may come meanwhile.
using Run = std::shared_ptr<sys::Service>;

class ProcessRuntime : public ports::Runtime {
  public:
    ProcessRuntime(boost::asio::any_io_executor executor, async::Timers& timers,
                   ProcessRuntimeOptions options)
        : executor_(std::move(executor)),
          timers_(timers),
          options_(std::move(options)),
          ports_(options_.ports) {}

    Task<Result<RunInfo>> start(ports::ProcessSpec spec, ports::BeforeGo before_go) override;
    Task<Result<std::vector<RunInfo>>> adopt() override;
    Task<Result<void>> set_policy(std::string run_id, RestartPolicy policy) override;
    Task<Result<void>> stop(std::string run_id) override;
    Task<Result<void>> add_listeners(std::string run_id,
                                     std::vector<ports::Listener> listeners) override;
    Task<Result<void>> signal(std::string run_id, int number) override;
    // Its shims end with the machine.
    Task<Result<void>> start_at_boot(std::string, std::vector<std::string>) override {
        co_return Result<void>{};
    }
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
    Result<Run> find(const std::string& run_id) const;
    std::filesystem::path place(const std::string& run_id) const {
        return options_.run_directory / run_id;
    }
    Result<void> check(const ports::ProcessSpec& spec) const;
    Result<void> prepare_port(const ports::ProcessSpec& spec, sys::ServiceSpec& service,
                              std::vector<sys::BoundListener>& opened) const;
    Task<Result<void>> let_go(Run run, ports::BeforeGo before_go);
    Task<void> discard(Run run);
    void keep(Run run);
    void tell(const std::string& run_id);
    Task<Result<void>> adopt_one(std::filesystem::path place);
    sys::Cgroup make_group(const ports::ProcessSpec& spec, ProcessLimits& limits) const;
    Task<void> end_group(std::string run_id, sys::Cgroup group);
    void remove_empty_groups();

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    ProcessRuntimeOptions options_;
    std::shared_ptr<sys::PortPool> ports_;
    std::function<void(const RunInfo&)> on_change_;
    std::map<std::string, Run> runs_;
};

Result<Run> ProcessRuntime::find(const std::string& run_id) const {
    auto at = runs_.find(run_id);
    if (at == runs_.end()) return Error{Errc::not_found, fmt::format("there is no run {}", run_id)};
    return at->second;
}

Result<void> ProcessRuntime::check(const ports::ProcessSpec& spec) const {
    if (!run_id_is_valid(spec.run_id))
        return Error{
            Errc::invalid,
            fmt::format("\"{}\" can't name a run: use letters, digits, . _ -", spec.run_id)};
    if (runs_.contains(spec.run_id))
        return Error{Errc::conflict, fmt::format("run {} exists", spec.run_id)};
    return {};
}

// A port must be free now, whoever took it since it was allotted.
Result<void> ProcessRuntime::prepare_port(const ports::ProcessSpec& spec, sys::ServiceSpec& service,
                                          std::vector<sys::BoundListener>& opened) const {
    if (spec.port == 0) return {};
    if (spec.socket_activation) {
        auto bound = sys::listen_tcp(fmt::format("127.0.0.1:{}", spec.port));
        if (!bound) return bound.error();
        opened = std::move(*bound);
        service.program.listeners.push_back({opened.front().fd.get(), "http"});
        return {};
    }
    return check_port(spec.port);
}

// It starts without one rather than not at all, as at a boot there may be nobody to mend it.
sys::Cgroup ProcessRuntime::make_group(const ports::ProcessSpec& spec,
                                       ProcessLimits& limits) const {
    sys::GroupLimits wanted{spec.resources.memory, spec.resources.cpu, {}};
    const bool own_user = spec.user && spec.user->uid >= static_cast<uid_t>(options_.first_uid) &&
                          spec.user->uid <= static_cast<uid_t>(options_.last_uid);
    const auto& support = options_.groups.support();
    if (spec.resources.processes) {
        const auto most = static_cast<std::uint64_t>(*spec.resources.processes);
        if (support.processes)
            wanted.processes = most + 1;  // the shim
        else if (own_user)
            limits.processes = most;
    }
    if (!support.groups) return {};
    auto made = options_.groups.make("run-" + spec.run_id, wanted);
    if (made) return *made;
    log::warning("a run has no control group, and so no limits",
                 {{"run", spec.run_id}, {"error", made.error().message}});
    return {};
}

Task<void> ProcessRuntime::end_group(std::string run_id, sys::Cgroup group) {
    auto ended = co_await sys::end_group(timers_, group);
    if (!ended)
        log::warning("a run's control group stays",
                     {{"run", run_id}, {"error", ended.error().message}});
}

// Of runs of which nothing else is left, as a daemon may die between the two.
void ProcessRuntime::remove_empty_groups() {
    std::set<std::string> used;
    for (const auto& [id, run] : runs_)
        used.insert(run->group().directories().begin(), run->group().directories().end());
    for (const auto& [name, group] : options_.groups.existing("run-")) {
        const auto& all = group.directories();
        if (std::any_of(all.begin(), all.end(),
                        [&](const auto& one) { return used.contains(one); }))
            continue;
        if (auto removed = group.remove(); !removed)
            log::warning("a control group belongs to no run that is known; it is left alone",
                         {{"group", name}, {"error", removed.error().message}});
    }
}

Task<Result<RunInfo>> ProcessRuntime::start(ports::ProcessSpec spec, ports::BeforeGo before_go) {
    if (auto checked = check(spec); !checked) co_return checked.error();
    auto service_of_run = service_spec(spec);
    std::vector<sys::BoundListener> opened;
    auto prepared = prepare_port(spec, service_of_run, opened);
    if (!prepared) co_return prefixed(spec.run_id, prepared.error());
    auto group = make_group(spec, service_of_run.program.limits);
    service_of_run.program.group = group;
    auto started = co_await sys::Service::start(executor_, timers_, options_.shim_path,
                                                place(spec.run_id), service_of_run);
    if (!started) {
        co_await end_group(spec.run_id, group);
        co_return prefixed(spec.run_id, started.error());
    }
    auto run = std::make_shared<sys::Service>(std::move(*started));
    runs_[spec.run_id] = run;
    auto gone = co_await let_go(run, before_go);
    if (!gone) {
        runs_.erase(spec.run_id);
        co_await discard(run);
        co_return gone.error();
    }
    // What happened before is in the answer; a start that fails is told by its error alone.
    keep(run);
    if (spec.port != 0) ports_->hold(spec.port);
    co_return info_of(run->run_id(), run->status());
}

Task<Result<void>> ProcessRuntime::let_go(Run run, ports::BeforeGo before_go) {
    if (before_go) {
        failpoint("candidate_forked");
        auto info = info_of(run->run_id(), run->status());
        auto durable = co_await before_go(info);
        if (!durable) co_return durable.error();
    }
    auto gone = co_await run->go();
    if (!gone) co_return prefixed(run->run_id(), gone.error());
    co_return Result<void>{};
}

// The caller's port stays the caller's.
Task<void> ProcessRuntime::discard(Run run) {
    auto stopped = co_await run->stop();
    if (!stopped)
        log::warning("a run that failed to start can't be stopped",
                     {{"run", run->run_id()}, {"error", stopped.error().message}});
    co_await end_group(run->run_id(), run->group());
    auto removed = sys::remove_tree(place(run->run_id()));
    if (!removed)
        log::warning("a run's directory can't be removed",
                     {{"run", run->run_id()}, {"error", removed.error().message}});
}

void ProcessRuntime::keep(Run run) {
    auto id = run->run_id();
    run->on_change([this, id] { tell(id); });
    runs_[id] = std::move(run);
}

void ProcessRuntime::tell(const std::string& run_id) {
    auto known = info(run_id);
    if (!known || !on_change_) return;
    auto callback = on_change_;  // it may replace itself
    callback(*known);
}

Task<Result<std::vector<RunInfo>>> ProcessRuntime::adopt() {
    std::vector<std::filesystem::path> places;
    std::error_code failure;
    for (std::filesystem::directory_iterator at(options_.run_directory, failure), end;
         !failure && at != end; at.increment(failure)) {
        const auto name = at->path().filename().string();
        if (std::find(options_.others.begin(), options_.others.end(), name) !=
            options_.others.end())
            continue;
        if (run_id_is_valid(name) && at->is_directory(failure)) places.push_back(at->path());
    }
    if (failure)
        co_return errno_error(failure.value(), "reading " + options_.run_directory.string());
    std::sort(places.begin(), places.end());
    for (const auto& place : places) {
        if (sys::remove_abandoned_run(place)) {
            log::info("what was left of a run that never began is removed",
                      {{"run", place.filename().string()}});
            continue;
        }
        auto adopted = co_await adopt_one(place);
        if (!adopted)
            log::warning("a run can't be adopted; it is left alone",
                         {{"run", place.filename().string()}, {"error", adopted.error().message}});
    }
    remove_empty_groups();
    co_return runs();
}

Task<Result<void>> ProcessRuntime::adopt_one(std::filesystem::path place) {
    auto service = co_await sys::Service::adopt(executor_, timers_, place);
    if (!service) co_return service.error();
    if (service->run_id() != place.filename())
        co_return Error{Errc::invalid,
                        fmt::format("it is the directory of run {}", service->run_id())};
    auto run = std::make_shared<sys::Service>(std::move(*service));
    // Who would have let it go is dead, and so it ends; till then it only looks alive.
    if (run->status().state == sys::ServiceState::waiting) {
        co_await discard(run);
        co_return Result<void>{};
    }
    if (auto port = run->status().port; port != 0) ports_->hold(port);
    keep(std::move(run));
    co_return Result<void>{};
}

Task<Result<void>> ProcessRuntime::set_policy(std::string run_id, RestartPolicy policy) {
    auto run = find(run_id);
    if (!run) co_return run.error();
    auto service = *run;
    co_return co_await service->set_policy(policy);
}

Task<Result<void>> ProcessRuntime::stop(std::string run_id) {
    auto run = find(run_id);
    if (!run) co_return run.error();
    auto service = *run;
    auto stopped = co_await service->stop();
    // What got out of its tree while it had no shim.
    service->group().kill(1);
    if (!stopped) co_return prefixed("stopping " + run_id, stopped.error());
    co_return Result<void>{};
}

Task<Result<void>> ProcessRuntime::add_listeners(std::string run_id,
                                                 std::vector<ports::Listener> listeners) {
    auto run = find(run_id);
    if (!run) co_return run.error();
    std::vector<sys::NamedFd> named;
    for (const auto& listener : listeners)
        named.push_back({listener.fd, listener.name});
    auto service = *run;
    co_return co_await service->add_listeners(named);
}

Task<Result<void>> ProcessRuntime::signal(std::string run_id, int number) {
    auto run = find(run_id);
    if (!run) co_return run.error();
    auto service = *run;
    co_return co_await service->signal(number);
}

Result<RunInfo> ProcessRuntime::info(const std::string& run_id) const {
    auto run = find(run_id);
    if (!run) return run.error();
    return info_of(run_id, (*run)->status());
}

std::vector<RunInfo> ProcessRuntime::runs() const {
    std::vector<RunInfo> all;
    for (const auto& [id, run] : runs_)
        all.push_back(info_of(id, run->status()));
    return all;
}

Task<Result<void>> ProcessRuntime::forget(std::string run_id) {
    auto run = find(run_id);
    if (!run) co_return run.error();
    if (!(*run)->status().over())
        co_return Error{Errc::conflict, fmt::format("run {} still lives", run_id)};
    const auto port = (*run)->status().port;
    auto group = (*run)->group();
    co_await end_group(run_id, group);
    auto removed = sys::remove_tree(place(run_id));
    if (!removed) co_return removed.error();
    if (port != 0) ports_->release(port);
    runs_.erase(run_id);
    co_return Result<void>{};
}

Task<Result<ports::ListenerReport>> ProcessRuntime::listeners(std::string run_id,
                                                              std::uint16_t port) {
    auto run = find(run_id);
    if (!run) co_return run.error();
    auto service = *run;
    auto inodes = co_await service->socket_inodes();
    if (!inodes) co_return inodes.error();
    co_return listener_report(*inodes, port);
}

}  // namespace

Result<std::unique_ptr<ports::Runtime>> make_process_runtime(boost::asio::any_io_executor executor,
                                                             async::Timers& timers,
                                                             ProcessRuntimeOptions options) {
    if (!options.ports)
        options.ports =
            std::make_shared<sys::PortPool>(sys::PortRange{options.first_port, options.last_port});
    // Its sockets obey whoever may connect.
    if (auto made = sys::make_directories(options.run_directory, 0700); !made) return made.error();
    return std::unique_ptr<ports::Runtime>(
        std::make_unique<ProcessRuntime>(std::move(executor), timers, std::move(options)));
}

}  // namespace belay::runtime
