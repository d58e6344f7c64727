// The processes of a release as one unit: several process types, several instances, started,
// watched and stopped together.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/timers.hpp>
#include <belay/domain/release.hpp>
#include <belay/ports/readiness.hpp>
#include <belay/ports/releases.hpp>
#include <belay/ports/runtime.hpp>
#include <belay/ports/traffic.hpp>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belay::engine {

// One instance of one process type.
struct Member {
    std::string run_id;
    std::string process;
    int instance = 1;
    std::uint16_t port = 0;
    bool serves = false;  // has the traffic and the health check
    bool overlap = true;  // may run beside the release before
    bool started = false;

    // Not, where a release takes the place of another and its processes are the user's: then there
    // is one member, which is probed and never started, stopped or watched.
    bool ours() const { return !run_id.empty(); }
};

// One generation of one release's processes: a restart or a rollback runs the same release as
// another set.
struct RunSet {
    domain::Manifest manifest;
    int generation = 1;
    std::vector<Member> members;
    async::SteadyTime started{};  // when its first process ran

    ReleaseNumber release() const { return manifest.number; }
};
using RunSetPtr = std::shared_ptr<RunSet>;

// How a member of ours is started.
const domain::ProcessPlan& plan_of(const RunSet& set, const Member& member);

// Which members an act is about: those that must not overlap are started and stopped at the switch
// itself.
enum class Which { overlapping, exclusive, all };
// Whether the members that did start stay when one can't.
enum class KeepOthers { no, yes };
// Of two living generations of one release (a restart that was interrupted). `named`: the one at
// the ports that the manifest names, as live/APP.json does; else the youngest.
enum class Age { oldest, youngest, named };

struct StartFailure {
    domain::Reason reason = domain::Reason::start_failed;
    std::string detail;
};

struct Death {
    domain::Reason reason = domain::Reason::exited;  // or oom
    std::string text;                                // "web exited with code 3"
};

// "shop.12.web.1.3"
struct RunName {
    std::string app;
    ReleaseNumber release = 0;
    std::string process;
    int instance = 0;
    int generation = 0;
};
std::string format(const RunName& name);
std::optional<RunName> parse_run_name(const std::string& id);

// Loop thread only.
class Fleet {
  public:
    // Makes a run's row durable before its program runs.
    using Record = std::function<Task<Result<void>>(domain::Run)>;

    Fleet(ports::Runtime& runtime, ports::Releases& releases, async::Timers& timers,
          std::string log_directory, ports::Readiness* readiness);

    void record_with(Record record) { record_ = std::move(record); }
    // Changes of runs that are no release's, as the proxy's.
    void pass_others_to(std::function<void(const ports::RunInfo&)> callback) {
        on_other_ = std::move(callback);
    }

    // Takes over what runs already of one generation; members that don't run are not started.
    RunSetPtr adopt(const domain::Manifest& manifest, Age age);
    // A new generation, of which nothing runs yet.
    RunSetPtr make(const domain::Manifest& manifest);

    // Starts those that don't run yet.
    Task<boost::system::result<void, StartFailure>> start(RunSetPtr set, Which which,
                                                          RestartPolicy policy,
                                                          KeepOthers keep = KeepOthers::no);
    // Starts again those whose shim is gone too, at the port they had where that is free.
    Task<boost::system::result<void, StartFailure>> revive(RunSetPtr set);
    // Returns when they are dead and forgotten. Never fails: what can't be killed is logged.
    Task<void> stop(RunSetPtr set, Which which);
    // Those that are over and stand in the way of another start.
    Task<void> forget_dead(RunSetPtr set);
    Task<void> keep_up(RunSetPtr set, RestartPolicy policy);
    // What runs of it is what the machine starts of the app, where its runtime can have that.
    Task<void> start_at_boot(RunSetPtr set);

    // The first started member that no longer runs; none while all run.
    std::optional<Death> dead(const RunSet& set, Which which) const;
    bool all_running(const RunSet& set) const;
    // Something of it was started by the machine, so that it is of a later boot than all before.
    bool booted(const RunSet& set) const;
    std::vector<ports::Upstream> upstreams(const RunSet& set) const;
    // Of these, those that run now and stay up when another release takes the traffic.
    std::vector<ports::Upstream> upstreams_beside(const RunSet& set) const;
    // Called for every change of one of the set's members until the subscription ends.
    [[nodiscard]] async::Subscription watch(
        const RunSet& set, std::function<void(const Member&, const ports::RunInfo&)> callback);
    // Every run of no set in `keep` is stopped and forgotten: what an interrupted deployment left.
    Task<void> stop_strays(std::string app, std::vector<RunSetPtr> keep);

    std::string log_path(const std::string& app, ReleaseNumber release, const std::string& process,
                         int instance) const;
    ports::Runtime& runtime() { return runtime_; }

  private:
    struct Watcher {
        std::vector<Member> members;
        std::function<void(const Member&, const ports::RunInfo&)> callback;
    };

    Task<boost::system::result<void, StartFailure>> start_member(RunSetPtr set, std::size_t index,
                                                                 RestartPolicy policy);
    Task<void> stop_member(RunSetPtr set, std::size_t index);
    void add_notify_socket(const RunSet& set, const Member& member, ports::ProcessSpec& spec);
    void close_notify_socket(const std::string& run_id);
    Task<void> forget(Member& member);
    void on_change(const ports::RunInfo& info);

    ports::Runtime& runtime_;
    ports::Releases& releases_;
    async::Timers& timers_;
    std::string log_directory_;
    ports::Readiness* readiness_;
    Record record_;
    std::function<void(const ports::RunInfo&)> on_other_;
    std::list<std::shared_ptr<Watcher>> watchers_;
};

}  // namespace belay::engine
