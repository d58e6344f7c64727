// What every part of the engine shares, and what it knows of each app.
#pragma once

#include "fleet.hpp"
#include "journal.hpp"
#include "slots.hpp"

#include <belay/async/task_group.hpp>
#include <belay/domain/transition.hpp>
#include <belay/domain/verdict.hpp>
#include <belay/engine/engine.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace belay::engine {

class BakeMonitor;

// The deployment that an app's lane works on.
struct Active {
    domain::Deployment deployment;
    domain::Course course;
    std::optional<domain::AppConfig> config;  // the snapshot; none for Plan::restart
    domain::Release release;                  // the row of the release it makes or starts
    std::optional<domain::Event>
        asked;           // by a person or a newer push; outranks what the step returns
    async::Cancel step;  // ends the step at hand
    std::string describe;
    std::optional<ports::TreeMark> mark;
    std::vector<domain::Probe> unsaved_probes;
    std::vector<ports::Write> unsaved;  // rows of stages
    std::unique_ptr<BakeMonitor> monitor;
    std::string failed_tail;    // the last lines of the stage that failed, masked
    bool flipped_back = false;  // traffic is with the fallback already
    std::string unanswered;     // by the fallback, in words: then it gets the traffic only where
                                // what has it does not run
    bool has_slot = false;
    async::SteadyTime picked{};
    Millis excluded{0};  // of overhead_ms: what is the user's or the network's time

    domain::State state() const { return deployment.state; }
    // What users reach may be its release.
    bool switched() const {
        return domain::is_switched(deployment.state, course) && !domain::is_end(deployment.state);
    }
};

// An app's webhook secrets as they were read last.
struct HookSecrets {
    std::vector<Secret> secrets;
    std::optional<async::SteadyTime> read;  // none: they have to be read before they are used
    std::string error;                      // said already
};

struct AppContext {
    std::string name;
    domain::App record;

    std::optional<domain::AppConfig> config;  // the last valid
    std::string config_json;                  // canonical, of `config`
    std::string config_hash;
    std::string config_error;
    std::string file;
    HookSecrets hook;
    bool orphaned = false;

    RunSetPtr live;       // has the traffic
    RunSetPtr fallback;   // the one before, warm while the new one bakes
    RunSetPtr candidate;  // being started and verified
    std::optional<domain::Manifest> stable;
    domain::Release live_release;
    domain::Release fallback_release;
    std::string live_health = "unknown";
    bool told_unhealthy = false;  // and not yet that it has recovered
    bool booted = false;          // boot() had to start the stable release

    std::vector<domain::Deployment> queue;  // oldest first
    std::set<DeploymentId> unstored;        // of those that are queued or were: not durable yet
    std::unique_ptr<Active> active;
    bool prune_due = false;  // old releases, once no deployment is in the way
    async::Event lane_wake;
    async::Event watch_wake;
    async::Event poll_wake;
    PollView poll;
};

struct Services {
    Services(World given, EngineOptions engine_options, Hooks engine_hooks)
        : world(std::move(given)),
          options(std::move(engine_options)),
          hooks(std::move(engine_hooks)),
          server(options.server),
          journal(world.timers, tally),
          fleet(world.runtime, world.releases, world.timers, options.state_directory + "/logs",
                world.readiness),
          tasks(world.executor) {}

    World world;
    EngineOptions options;
    Hooks hooks;
    domain::ServerConfig server;
    Tally tally;
    Journal journal;
    Fleet fleet;
    Slots slots;
    async::TaskGroup tasks;
    async::Cancel closing;
    // Set by the engine: a deployment of another commit than the delivered one, found at fetch.
    std::function<Task<Result<DeploymentId>>(AppContext&, domain::Deployment)> enqueue;
    std::string boot_problem;

    TimePoint now() const { return world.timers.now(); }
};

// The users of an app, from its base uid.
domain::AppUsers users_of(const AppContext& app, bool separate);
// Those that its configuration names in their places. Errc::invalid: there is no such user any
// more.
Result<domain::AppUsers> users_of(const Services& services, const AppContext& app,
                                  const domain::AppConfig& config);
// The event that records a deployment's new state.
ports::AddEvent event_of(const domain::Deployment& deployment, TimePoint at, std::string text);
ports::AddEvent app_event(const std::string& app, TimePoint at, std::string state,
                          std::string text);
// How a release is shown to the proxy.
ports::Route route_of(const domain::Manifest& manifest, std::vector<ports::Upstream> upstreams,
                      std::int64_t epoch);
// It has spoken over NOTIFY_SOCKET, and not said READY=1 yet.
bool says_it_starts(const Services& services, const Member& member);
// One probe of one serving member; of type none a process that runs passes.
Task<domain::Probe> probe_member(Services& services, RunSetPtr set, std::size_t index,
                                 async::Cancel cancel);
// The values that must not be shown of an environment that was stored with the release.
std::vector<Secret> secrets_in(const domain::Manifest& manifest,
                               const std::vector<std::pair<std::string, std::string>>& environment);
// How long to wait between probes until the first pass: not long, but a command of the user's costs
// more than a request.
Millis first_pause(const domain::Health& health, Millis most_often);
// Waits until each serving member passes a probe; false when `patience` is over before.
Task<bool> wait_for_first_pass(Services& services, RunSetPtr set, Millis patience);
// The manifest as it should be booted: with the ports that the set has now.
domain::Manifest with_ports(const RunSet& set);
// live/APP.json as of now.
domain::LiveManifest live_manifest(const AppContext& app);
// The machine starts the live release of the app by itself, once that is the stable one; until then
// what it had. Can be done again at any time.
Task<void> settle_boot(Services& services, const AppContext& app);

}  // namespace belay::engine
