#include "fleet.hpp"

#include "environment.hpp"
#include "run_end.hpp"
#include "users.hpp"

#include <belay/async/task_group.hpp>
#include <belay/base/log.hpp>
#include <belay/domain/target.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace belay::engine {
namespace {

using StartResult = boost::system::result<void, StartFailure>;

bool fits(const Member& member, Which which) {
    if (!member.ours()) return false;
    return which == Which::all || member.overlap == (which == Which::overlapping);
}

bool alive(ports::RunState state) {
    return state == ports::RunState::running || state == ports::RunState::backing_off;
}

bool at_named_port(const domain::Manifest& manifest, const RunName& name, std::uint16_t port) {
    return std::any_of(
        manifest.processes.begin(), manifest.processes.end(), [&](const domain::ProcessPlan& plan) {
            return plan.name == name.process &&
                   std::find(plan.ports.begin(), plan.ports.end(), port) != plan.ports.end();
        });
}

}  // namespace

const domain::ProcessPlan& plan_of(const RunSet& set, const Member& member) {
    return *std::find_if(
        set.manifest.processes.begin(), set.manifest.processes.end(),
        [&](const domain::ProcessPlan& plan) { return plan.name == member.process; });
}

std::string format(const RunName& name) {
    return fmt::format("{}.{}.{}.{}.{}", name.app, name.release, name.process, name.instance,
                       name.generation);
}

std::optional<RunName> parse_run_name(const std::string& id) {
    std::vector<std::string> parts;
    std::size_t at = 0;
    while (true) {
        auto dot = id.find('.', at);
        parts.push_back(id.substr(at, dot == id.npos ? id.npos : dot - at));
        if (dot == id.npos) break;
        at = dot + 1;
    }
    if (parts.size() != 5) return std::nullopt;
    auto number = [](const std::string& text, auto& into) {
        auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), into);
        return failure == std::errc{} && end == text.data() + text.size();
    };
    RunName name{parts[0], 0, parts[2], 0, 0};
    if (!number(parts[1], name.release) || !number(parts[3], name.instance) ||
        !number(parts[4], name.generation))
        return std::nullopt;
    return name;
}

Fleet::Fleet(ports::Runtime& runtime, ports::Releases& releases, async::Timers& timers,
             std::string log_directory, ports::Readiness* readiness)
    : runtime_(runtime),
      releases_(releases),
      timers_(timers),
      log_directory_(std::move(log_directory)),
      readiness_(readiness) {
    runtime_.on_change([this](const ports::RunInfo& info) { on_change(info); });
}

std::string Fleet::log_path(const std::string& app, ReleaseNumber release,
                            const std::string& process, int instance) const {
    return fmt::format("{}/{}/r{}/{}.{}.log", log_directory_, app, release, process, instance);
}

RunSetPtr Fleet::make(const domain::Manifest& manifest) {
    auto set = std::make_shared<RunSet>();
    set->manifest = manifest;
    for (const auto& info : runtime_.runs())
        if (auto name = parse_run_name(info.run_id);
            name && name->app == manifest.app && name->release == manifest.number)
            set->generation = std::max(set->generation, name->generation + 1);
    for (const auto& plan : manifest.processes)
        for (int instance = 1; instance <= plan.instances; ++instance) {
            Member member;
            member.process = plan.name;
            member.instance = instance;
            member.serves = plan.name == "web";
            member.overlap = plan.overlap;
            member.run_id =
                format({manifest.app, manifest.number, plan.name, instance, set->generation});
            set->members.push_back(std::move(member));
        }
    if (manifest.in_place()) {
        Member outside;
        outside.process = to_string(manifest.target());
        outside.serves = true;
        outside.started = true;
        set->started = timers_.steady_now();
        set->members.push_back(std::move(outside));
    }
    return set;
}

RunSetPtr Fleet::adopt(const domain::Manifest& manifest, Age age) {
    int found = 0;
    for (const auto& info : runtime_.runs()) {
        auto name = parse_run_name(info.run_id);
        if (!name || name->app != manifest.app || name->release != manifest.number ||
            !alive(info.state))
            continue;
        if (age == Age::named && at_named_port(manifest, *name, info.port)) {
            found = name->generation;
            break;
        }
        if (found == 0 || (age != Age::oldest) == (name->generation > found))
            found = name->generation;
    }
    auto set = make(manifest);
    if (found == 0) return set;
    set->generation = found;
    set->started = timers_.steady_now();
    for (auto& member : set->members) {
        member.run_id =
            format({manifest.app, manifest.number, member.process, member.instance, found});
        auto info = runtime_.info(member.run_id);
        if (!info || !alive(info->state)) continue;
        member.started = true;
        member.port = info->port;
    }
    return set;
}

Task<StartResult> Fleet::start_member(RunSetPtr set, std::size_t index, RestartPolicy policy) {
    auto& member = set->members[index];
    const auto& plan = plan_of(*set, member);
    const auto& manifest = set->manifest;
    auto environment = co_await releases_.environment(manifest.app, manifest.number, plan.name);
    if (!environment)
        co_return StartFailure{domain::Reason::start_failed, environment.error().message};
    ports::ProcessSpec spec;
    if (member.serves) {
        auto index_of_port = static_cast<std::size_t>(member.instance - 1);
        int known = member.port;
        if (known == 0 && index_of_port < plan.ports.size()) known = plan.ports[index_of_port];
        auto port = runtime_.allot_port(static_cast<std::uint16_t>(known));
        if (!port) co_return StartFailure{domain::Reason::port_in_use, port.error().message};
        member.port = *port;
        spec.port = *port;
        spec.socket_activation = plan.socket_activation;
    }
    spec.run_id = member.run_id;
    spec.argv = plan.argv;
    spec.env = std::move(*environment);
    add_instance(spec.env, plan.name, member.instance, member.port);
    spec.cwd = manifest.directory;
    spec.user = user_of(plan);
    add_notify_socket(*set, member, spec);
    spec.resources = plan.limits;
    spec.runtime = plan.runtime;
    auto signal = parse_signal(plan.stop_signal);
    spec.stop.signal = signal ? *signal : SIGTERM;
    spec.stop.to = plan.stop_to == "main" ? StopTo::main : StopTo::tree;
    spec.stop.timeout = plan.stop_timeout;
    spec.policy = policy;
    spec.log_path = log_path(manifest.app, manifest.number, plan.name, member.instance);

    domain::Run row;
    row.id = member.run_id;
    row.app = manifest.app;
    row.release = manifest.number;
    row.process = member.process;
    row.instance = member.instance;
    row.generation = set->generation;
    row.port = member.port;
    row.started_at = timers_.now();
    ports::BeforeGo before_go = [this, row](const ports::RunInfo& info) {
        auto run = row;
        run.pid = info.shim_pid;
        return record_(std::move(run));
    };
    auto started = co_await runtime_.start(std::move(spec), before_go);
    if (!started) {
        close_notify_socket(member.run_id);
        if (member.port != 0) runtime_.release_port(member.port);
        member.port = 0;
        auto reason = started.error().code == Errc::disk_full ? domain::Reason::disk_full
                                                              : domain::Reason::start_failed;
        co_return StartFailure{reason,
                               fmt::format("{}: {}", member.process, started.error().message)};
    }
    member.started = true;
    if (set->started == async::SteadyTime{}) set->started = timers_.steady_now();
    co_return StartResult{};
}

// Where nothing else is known of it, it may say itself when it is ready.
void Fleet::add_notify_socket(const RunSet& set, const Member& member, ports::ProcessSpec& spec) {
    if (!readiness_ || !member.serves || set.manifest.health.type != "none") return;
    constexpr std::string_view kName = "NOTIFY_SOCKET";
    auto own = std::find_if(spec.env.begin(), spec.env.end(),
                            [&](const auto& variable) { return variable.first == kName; });
    if (own != spec.env.end()) return;
    auto socket = readiness_->open(member.run_id, spec.user);
    if (socket)
        spec.env.emplace_back(kName, std::move(*socket));
    else
        log::warning("a process is started without NOTIFY_SOCKET",
                     {{"run", member.run_id}, {"error", socket.error().message}});
}

void Fleet::close_notify_socket(const std::string& run_id) {
    if (readiness_) readiness_->close(run_id);
}

Task<StartResult> Fleet::start(RunSetPtr set, Which which, RestartPolicy policy, KeepOthers keep) {
    for (std::size_t i = 0; i < set->members.size(); ++i) {
        if (!fits(set->members[i], which) || set->members[i].started) continue;
        auto started = co_await start_member(set, i, policy);
        if (started) continue;
        auto failure = started.error();
        if (keep == KeepOthers::no) co_await stop(set, which);
        co_return failure;
    }
    co_return StartResult{};
}

Task<void> Fleet::stop_member(RunSetPtr set, std::size_t index) {
    auto& member = set->members[index];
    auto stopped = co_await runtime_.stop(member.run_id);
    if (!stopped)
        log::error("a process could not be stopped",
                   {{"run", member.run_id}, {"error", stopped.error().message}});
    if (auto info = runtime_.info(member.run_id)) {
        domain::Run row;
        row.id = member.run_id;
        row.app = set->manifest.app;
        row.release = set->manifest.number;
        row.process = member.process;
        row.instance = member.instance;
        row.generation = set->generation;
        row.port = member.port;
        row.started_at = info->started_at;
        row.ended_at = timers_.now();
        if (info->last_exit && info->last_exit->known) {
            if (info->last_exit->signal != 0)
                row.signal = info->last_exit->signal;
            else
                row.exit_code = info->last_exit->code;
        }
        auto recorded = co_await record_(std::move(row));
        if (!recorded)
            log::warning("a run's end was not recorded",
                         {{"run", member.run_id}, {"error", recorded.error().message}});
    }
    co_await forget(member);
}

Task<void> Fleet::forget(Member& member) {
    auto forgotten = co_await runtime_.forget(member.run_id);
    if (!forgotten && forgotten.error().code != Errc::not_found)
        log::warning("a run's directory stays",
                     {{"run", member.run_id}, {"error", forgotten.error().message}});
    close_notify_socket(member.run_id);
    member.started = false;
}

Task<void> Fleet::stop(RunSetPtr set, Which which) {
    // Side by side: each may take its whole stop_timeout.
    async::TaskGroup group(co_await boost::asio::this_coro::executor);
    for (std::size_t i = 0; i < set->members.size(); ++i)
        if (fits(set->members[i], which) && set->members[i].started)
            group.spawn("stop " + set->members[i].run_id, stop_member(set, i));
    co_await group.join();
}

Task<void> Fleet::forget_dead(RunSetPtr set) {
    for (auto& member : set->members) {
        if (member.started || !member.ours()) continue;
        auto info = runtime_.info(member.run_id);
        if (info && !alive(info->state)) co_await forget(member);
    }
}

Task<StartResult> Fleet::revive(RunSetPtr set) {
    for (auto& member : set->members) {
        if (!member.started || !member.ours()) continue;
        auto info = runtime_.info(member.run_id);
        if (info && alive(info->state)) continue;
        if (info)
            co_await forget(member);
        else
            member.started = false;
    }
    co_return co_await start(set, Which::all, RestartPolicy::always, KeepOthers::yes);
}

Task<void> Fleet::keep_up(RunSetPtr set, RestartPolicy policy) {
    for (const auto& member : set->members) {
        if (!member.started || !member.ours()) continue;
        auto kept = co_await runtime_.set_policy(member.run_id, policy);
        if (!kept)
            log::warning("a restart policy could not be set",
                         {{"run", member.run_id}, {"error", kept.error().message}});
    }
}

Task<void> Fleet::start_at_boot(RunSetPtr set) {
    std::vector<std::string> ids;
    for (const auto& member : set->members)
        if (member.started && member.ours()) ids.push_back(member.run_id);
    auto kept = co_await runtime_.start_at_boot(set->manifest.app, std::move(ids));
    if (!kept)
        log::error("the live release would start at boot only with Belay",
                   {{"app", set->manifest.app}, {"error", kept.error().message}});
}

std::optional<Death> Fleet::dead(const RunSet& set, Which which) const {
    for (const auto& member : set.members) {
        if (!fits(member, which) || !member.started) continue;
        auto info = runtime_.info(member.run_id);
        if (!info) return Death{domain::Reason::exited, member.process + " is gone"};
        if (info->state == ports::RunState::running) continue;
        return Death{reason_of_end(*info),
                     fmt::format("{} {}", member.process, how_it_ended(*info))};
    }
    return std::nullopt;
}

bool Fleet::all_running(const RunSet& set) const {
    return std::all_of(set.members.begin(), set.members.end(), [&](const Member& member) {
        if (!member.ours()) return true;
        auto info = runtime_.info(member.run_id);
        return member.started && info && alive(info->state);
    });
}

bool Fleet::booted(const RunSet& set) const {
    return std::any_of(set.members.begin(), set.members.end(), [&](const Member& member) {
        auto info = runtime_.info(member.run_id);
        return member.started && info && info->booted;
    });
}

std::vector<ports::Upstream> Fleet::upstreams(const RunSet& set) const {
    std::vector<ports::Upstream> result;
    for (const auto& member : set.members)
        if (member.serves && member.port != 0) result.push_back({"127.0.0.1", member.port});
    return result;
}

std::vector<ports::Upstream> Fleet::upstreams_beside(const RunSet& set) const {
    std::vector<ports::Upstream> result;
    for (const auto& member : set.members) {
        auto info = runtime_.info(member.run_id);
        if (member.serves && member.overlap && member.started && member.port != 0 && info &&
            alive(info->state))
            result.push_back({"127.0.0.1", member.port});
    }
    return result;
}

async::Subscription Fleet::watch(
    const RunSet& set, std::function<void(const Member&, const ports::RunInfo&)> callback) {
    auto watcher = std::make_shared<Watcher>(Watcher{set.members, std::move(callback)});
    auto place = watchers_.insert(watchers_.end(), watcher);
    return async::Subscription([this, place] { watchers_.erase(place); });
}

void Fleet::on_change(const ports::RunInfo& info) {
    if (!parse_run_name(info.run_id)) {
        if (on_other_) on_other_(info);
        return;
    }
    auto copy = watchers_;  // a callback may end a subscription
    for (const auto& watcher : copy)
        for (const auto& member : watcher->members)
            if (member.run_id == info.run_id) watcher->callback(member, info);
}

Task<void> Fleet::stop_strays(std::string app, std::vector<RunSetPtr> keep) {
    auto runs = runtime_.runs();
    for (const auto& info : runs) {
        auto name = parse_run_name(info.run_id);
        if (!name || name->app != app) continue;
        bool kept = std::any_of(keep.begin(), keep.end(), [&](const RunSetPtr& set) {
            return set &&
                   std::any_of(set->members.begin(), set->members.end(), [&](const Member& member) {
                       return member.started && member.run_id == info.run_id;
                   });
        });
        if (kept) continue;
        log::info("stopping a process that belongs to no release in use", {{"run", info.run_id}});
        auto stopped = co_await runtime_.stop(info.run_id);
        if (!stopped) continue;
        co_await runtime_.forget(info.run_id);
        close_notify_socket(info.run_id);
    }
}

}  // namespace belay::engine
