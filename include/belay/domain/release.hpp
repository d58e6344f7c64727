// What runs: releases, the app's durable facts, and what must come up after a boot.
#pragma once

#include <belay/base/process.hpp>
#include <belay/domain/config.hpp>
#include <belay/domain/deployment.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::domain {

enum class ReleaseState { building, sealed, candidate, live, standby, retired, pruned, bad };
std::string_view to_string(ReleaseState state);
std::optional<ReleaseState> parse_release_state(std::string_view text);

struct Release {
    std::string app;
    ReleaseNumber number = 0;
    std::string commit;
    std::string ref;
    DeploymentId deployment;  // that made it
    ReleaseState state = ReleaseState::building;
    std::string config;  // hash of the snapshot it was made with
    std::string
        build_key;  // digest of commit, directory, build, test, ship: equal keys make equal files
    TimePoint created_at{};
    TimePoint live_since{};     // 0: not live
    TimePoint healthy_since{};  // 0: never was healthy, so never a rollback target
    std::int64_t bytes = 0;

    bool operator==(const Release&) const = default;
};

// Automatic deployments wait.
struct Hold {
    std::string by;
    std::string why;
    TimePoint since{};

    bool operator==(const Hold&) const = default;
};

enum class AppState { none, live, degraded, down, stopped };
std::string_view to_string(AppState state);
std::optional<AppState> parse_app_state(std::string_view text);

// The app's row: what is live, what is stable, and what a restart must know.
struct App {
    std::string name;
    std::int64_t epoch = 0;
    ReleaseNumber live = 0;
    ReleaseNumber stable = 0;  // what boots
    std::optional<Hold> hold;
    bool stopped = false;            // `belay stop`
    bool degraded = false;           // a rollback failed, or there was no way back
    bool removed = false;            // tombstone
    int uid_base = 0;                // fetch, build, run = base, base + 1, base + 2; 0: none
    int superseded_in_row = 0;       // running deployments superseded one after the other
    ReleaseNumber last_release = 0;  // highest number ever reserved
    std::string last_seen_commit;    // tip last seen (spec/decisions.md 7)

    bool operator==(const App&) const = default;
};

// Numeric ids of the app's three users; -1: all run as the daemon itself.
struct AppUsers {
    int fetch = -1;
    int build = -1;  // these two are others where the app's file names them
    int run = -1;
    std::optional<User> named_build{};  // with their own groups
    std::optional<User> named_run{};

    bool separate() const { return run >= 0; }
    // The groups are the app's own whoever its users are: a release before, of other users, must go
    // on reading what lies beside the new one.
    int files_group() const { return separate() ? fetch + 2 : -1; }
    int mirror_group() const { return separate() ? fetch + 1 : -1; }
    // Who a process of a step, and one of a release, is. Only where they are separate.
    User builder() const { return member(named_build, build); }
    User runner() const { return member(named_run, run); }

    bool operator==(const AppUsers&) const = default;

  private:
    User member(const std::optional<User>& named, int uid) const {
        auto user = named.value_or(User{static_cast<uid_t>(uid), static_cast<gid_t>(uid), {}});
        const auto group = static_cast<gid_t>(files_group());
        if (user.gid != group) user.groups.push_back(group);
        return user;
    }
};

// All that starting one process of a sealed release needs (manifest schema, spec/decisions.md 4).
struct ProcessPlan {
    std::string name;
    int instances = 1;
    std::vector<std::string> argv;
    std::string env_file;  // secrets/APP/NUMBER/PROCESS.env
    int uid = -1;          // -1: as the daemon
    int gid = -1;
    std::vector<int> groups;  // besides
    ResourceLimits limits;
    bool overlap = true;
    std::string stop_signal = "TERM";
    std::string stop_to = "tree";
    Millis stop_timeout{30'000};
    bool socket_activation = false;
    std::string runtime = "process";  // who keeps it running; or "systemd"
    std::vector<int> ports;  // one per instance of the process that serves; what it had last

    bool operator==(const ProcessPlan&) const = default;
};

// What makes a release of a [command] live, after `current` was pointed at it. Its environment is
// that of process "command".
struct CommandPlan {
    std::vector<std::string> argv;
    int uid = -1;  // -1: as the daemon
    int gid = -1;
    std::vector<int> groups;  // besides
    Millis timeout{};

    bool operator==(const CommandPlan&) const = default;
};

// What makes a release of a [unit] live, after `current` was pointed at it.
struct UnitPlan {
    std::string name;                // "shop.service"
    std::string action = "restart";  // or "reload"
    int uid = -1;                    // of probes of type exec; -1: as the daemon
    int gid = -1;

    bool operator==(const UnitPlan&) const = default;
};

// How the proxy shows it.
struct RoutePlan {
    std::vector<std::string> hosts;
    std::string path_prefix = "/";
    std::vector<std::string> listen;
    Millis drain{30'000};

    bool operator==(const RoutePlan&) const = default;
};

// The highest that this version knows.
inline constexpr int kManifestSchema = 5;

// releases/APP/NUMBER.json without its file list.
struct Manifest {
    int schema = 1;
    std::string app;
    ReleaseNumber number = 0;
    std::string commit;
    std::string ref;
    DeploymentId deployment;
    std::string config;  // hash
    std::string build_key;
    std::string directory;  // absolute
    TimePoint sealed_at{};
    std::int64_t bytes = 0;
    std::int64_t files = 0;
    std::vector<ProcessPlan> processes;
    std::optional<CommandPlan> command;  // of a [command], which has no processes
    std::optional<UnitPlan> unit;        // of a [unit], which has none either
    std::vector<std::string> secrets;    // variables whose values are never to be shown
    Health health;
    RoutePlan route;
    Traffic traffic;

    // Its processes are not Belay's: it is made live in the place of the one before.
    bool in_place() const { return command || unit; }
    Target target() const {
        return command ? Target::command : unit ? Target::unit : Target::service;
    }
    // Who may read the release by a group of its own only.
    bool has_groups() const {
        return (command && !command->groups.empty()) ||
               std::any_of(processes.begin(), processes.end(),
                           [](const ProcessPlan& plan) { return !plan.groups.empty(); });
    }
    // systemd keeps its processes, or some of them.
    bool in_units() const {
        return std::any_of(processes.begin(), processes.end(),
                           [](const ProcessPlan& plan) { return plan.runtime == "systemd"; });
    }
    // The lowest schema that can carry it: a Belay that does not know of groups, of releases
    // without processes, or of processes that it finds running after a boot, has to leave them
    // alone.
    int needed_schema() const {
        return in_units() ? 5 : has_groups() ? 4 : unit ? 3 : command ? 2 : 1;
    }
    bool operator==(const Manifest&) const = default;
};

// live/APP.json: what must run after a boot, readable without the database.
struct LiveManifest {
    int schema = 1;
    std::string app;
    std::int64_t epoch = 0;
    bool stopped = false;
    std::optional<Manifest> stable;  // what boots
    std::optional<Manifest> live;    // what has the traffic; equal to stable but for a bake

    bool operator==(const LiveManifest&) const = default;
};

// One process instance that was started (table runs).
struct Run {
    std::string id;  // APP.RELEASE.PROCESS.INSTANCE.GENERATION
    std::string app;
    ReleaseNumber release = 0;
    std::string process;
    int instance = 1;
    int generation = 1;
    int port = 0;
    int pid = 0;
    TimePoint started_at{};
    TimePoint ended_at{};  // 0: runs
    std::optional<int> exit_code;
    std::optional<int> signal;

    bool operator==(const Run&) const = default;
};

}  // namespace belay::domain
