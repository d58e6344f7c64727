// What the configuration says once it is checked: plain values with every default filled in.
// The keys, their types and their defaults come from docs/configuration.md (spec/interfaces.md §2).
#pragma once

#include <belay/base/secret.hpp>
#include <belay/base/time.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace belay::domain {

// Where a secret's value is to be found; the value itself is never part of a configuration
// snapshot, `inline_value` apart, which is left out of snapshots and read from the file again.
struct SecretRef {
    enum class Kind { file, env, credential, inline_value };
    Kind kind = Kind::file;
    std::string name;  // path, variable or credential name
    Secret value;      // of inline_value only

    bool operator==(const SecretRef& other) const {
        return kind == other.kind && name == other.name && value.reveal() == other.value.reveal();
    }
};

// A string runs under `sh -euc`, an array is executed as it is.
struct Command {
    std::string shell;              // used when not empty
    std::vector<std::string> argv;  // else this

    bool empty() const { return shell.empty() && argv.empty(); }
    bool operator==(const Command&) const = default;
};

struct ResourceLimits {
    std::optional<std::uint64_t> memory;  // bytes
    std::optional<double> cpu;            // cores
    std::optional<int> processes;

    bool operator==(const ResourceLimits&) const = default;
};

using Environment = std::map<std::string, std::string>;

// One [build] or [test] step, or the [release] command.
struct Step {
    std::string name;  // "build", "build-2", "test", "release"
    Command run;
    Millis timeout{1'800'000};
    Millis silence{600'000};  // without output
    Environment env;
    std::vector<std::string> secrets;
    std::vector<std::string> cache;
    std::string sandbox = "auto";
    bool network = true;
    ResourceLimits limits{std::uint64_t{2} << 30, 1.5, 512};
    std::string user = "auto";

    bool operator==(const Step&) const = default;
};

struct ReleaseCommand {
    Command run;  // empty: none
    Millis timeout{600'000};
    bool idempotent = false;
    bool rollback_safe = true;  // `rollback = "safe"`

    bool operator==(const ReleaseCommand&) const = default;
};

// One process type of [service].
struct Process {
    std::string name = "web";
    Command run;
    int instances = 1;
    bool overlap = true;
    std::string stop_signal = "TERM";
    std::string stop_to = "tree";  // or "main"
    Millis stop_timeout{30'000};
    Environment env;
    ResourceLimits limits;
    std::string user = "auto";
    bool socket_activation = false;
    std::string runtime = "process";

    // The one that gets PORT, the traffic and the health check.
    bool is_web() const { return name == "web"; }
    bool operator==(const Process&) const = default;
};

struct StatusRange {
    int first = 200;
    int last = 299;
    bool operator==(const StatusRange&) const = default;
};

struct Health {
    std::string type = "tcp";  // http tcp exec none
    std::string path;
    std::string url;
    std::string method = "GET";
    Environment headers;
    std::vector<StatusRange> expect_status{StatusRange{}};
    std::string expect_body;
    Command run;  // type exec
    Millis interval{1'000};
    Millis live_interval{10'000};
    Millis timeout{5'000};
    int healthy = 2;
    Millis min_healthy_time{10'000};
    int unhealthy = 3;
    Millis deadline{300'000};
    std::string on_unhealthy = "alert";  // or "restart"

    bool operator==(const Health&) const = default;
};

struct RollbackOn {
    double error_ratio = 0.05;
    double baseline = 3.0;
    int min_requests = 50;

    bool operator==(const RollbackOn&) const = default;
};

struct Traffic {
    std::vector<std::string> hosts;
    std::string path_prefix = "/";
    std::vector<std::string> listen;
    std::string https = "both";
    Millis drain{30'000};
    Millis bake{120'000};
    std::string strategy = "switch";
    std::vector<double> canary_steps{5, 25, 50};  // percent
    Millis canary_step_time{120'000};
    RollbackOn rollback_on;

    bool operator==(const Traffic&) const = default;
};

struct Keep {
    int releases = 5;
    Millis logs{Millis{30LL * 86'400'000}};
    std::uint64_t disk = std::uint64_t{10} << 30;

    bool operator==(const Keep&) const = default;
};

struct Credentials {
    std::optional<SecretRef> token;
    std::string username;
    std::string ca;
    std::optional<SecretRef> key;          // secrets/APP.key where it exists
    std::vector<std::string> known_hosts;  // files; known_hosts beside belay.toml where it exists

    bool operator==(const Credentials&) const = default;
};

struct Webhook {
    std::vector<SecretRef> secrets;  // secrets/APP.hook where it exists; several while rotating
    std::string forge = "auto";

    bool operator==(const Webhook&) const = default;
};

// What makes the release live.
enum class Target { service, command, unit, static_files };

struct AppConfig {
    std::string name;
    std::string file;  // where it was read from

    std::string repo;
    std::string branch = "main";  // empty: tags only
    std::string tags;             // pattern; empty: none
    std::string directory;
    std::string submodules = "auto";              // auto true false
    std::optional<Millis> poll{Millis{300'000}};  // none: off
    bool manual_approval = false;
    std::string pipeline = "server";
    std::vector<std::string> include_paths{"**"};
    std::vector<std::string> exclude_paths;
    std::vector<std::string> path;
    std::vector<std::string> ship{"**"};
    std::vector<std::string> shared;
    std::vector<std::string> writable;

    Environment env;
    std::map<std::string, SecretRef> secrets;  // by variable; secrets/APP.env is read besides
    Credentials credentials;
    Webhook webhook;
    std::vector<Step> build;
    std::vector<Step> test;
    ReleaseCommand release;
    Target target = Target::service;
    std::vector<Process> processes;  // of Target::service; at least one
    Step command;                    // of Target::command
    std::string unit_name;           // of Target::unit
    std::string unit_action = "restart";
    std::string static_root;  // of Target::static_files
    Health health;
    Traffic traffic;
    Keep keep;
    std::map<std::string, std::vector<std::string>> notify;  // event -> channels
    std::optional<SecretRef> status_token;
    std::string status_url;

    const Process* web() const {
        for (const auto& process : processes)
            if (process.is_web()) return &process;
        return nullptr;
    }
    // Who builds and tests, and who runs: the first step's and the first process' user, as config
    // sees to it that all name the same.
    const std::string& build_user() const {
        static const std::string automatic = "auto";
        return !build.empty() ? build.front().user : !test.empty() ? test.front().user : automatic;
    }
    const std::string& run_user() const {
        return processes.empty() ? command.user : processes.front().user;
    }
    bool operator==(const AppConfig&) const = default;
};

struct PortRange {
    int first = 20'000;
    int last = 29'999;
    bool operator==(const PortRange&) const = default;
};

// One [notify.NAME] of belay.toml.
struct Channel {
    std::string name;
    std::string type;                   // slack discord teams matrix ntfy webhook email exec
    std::optional<SecretRef> url;       // slack discord teams webhook; of ntfy the server's
    std::optional<SecretRef> secret;    // webhook: "whsec_...", what its requests are signed with
    std::string homeserver;             // matrix
    std::string room;                   // matrix: "!id:server"
    std::optional<SecretRef> token;     // matrix, ntfy
    std::optional<SecretRef> topic;     // ntfy: whoever knows it can read it
    std::string server;                 // email: "host:port"
    std::string security = "starttls";  // email: starttls tls none
    std::string from;                   // email
    std::vector<std::string> to;        // email
    std::string username;               // email
    std::optional<SecretRef> password;  // email
    Command run;                        // exec
    std::string ca;                     // a private CA's file, of all that speak TLS

    bool operator==(const Channel&) const = default;
};

struct ServerConfig {
    std::string listen = "127.0.0.1:8080";
    std::string public_url;
    std::string expose = "hooks";
    std::string tls_cert;
    std::string tls_key;
    std::string socket = "/run/belay/belay.sock";
    std::string group = "belay";
    bool badges = false;

    std::string state = "/var/lib/belay";

    int concurrent_deployments = 2;
    std::uint64_t hook_body = std::uint64_t{25} << 20;
    std::uint64_t disk_reserve = std::uint64_t{1} << 30;
    PortRange uids{52'000, 59'999};
    PortRange ports{20'000, 29'999};

    std::vector<std::string> git_allow{"https", "ssh", "git"};
    Millis git_timeout{600'000};

    std::vector<std::string> proxy_listen{":80"};
    std::vector<std::string> proxy_tls_listen;
    std::string certificates = "/etc/belay/certificates";
    std::string acme_webroot;
    std::vector<std::string> trusted_proxies{"127.0.0.1/32", "::1/128"};

    bool metrics = true;
    std::vector<Channel> channels;  // by name
    // [defaults.notify]: who is told of what belongs to no app.
    std::map<std::string, std::vector<std::string>> notify;

    bool operator==(const ServerConfig&) const = default;
};

}  // namespace belay::domain
