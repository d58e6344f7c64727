// The table of keys of an app's file (spec/interfaces.md §2). Defaults are those of the domain's
// structs.
#include "config/grammar.hpp"
#include "config/kinds.hpp"
#include "config/services.hpp"
#include "config/steps.hpp"
#include "config/tables.hpp"

#include <belay/domain/unit.hpp>

namespace belay::config {
namespace {

using namespace domain;

constexpr Millis kInstant{0};
constexpr Millis kTick{1};  // "above zero"
constexpr Millis kSecond{1'000};

Kind<std::string> path_kind(std::string example) {
    return text_kind("a path", std::move(example), check_relative_path);
}
Kind<std::vector<std::string>> paths_kind(std::string example, Check check) {
    return texts_kind("an array of paths", std::move(example), check);
}
Kind<std::vector<std::string>> patterns_kind(std::string example) {
    return texts_kind("an array of patterns", std::move(example), check_pattern);
}
Kind<std::string> user_kind() {
    return text_kind("a user", "\"auto\"", check_user);
}

Keys<ResourceLimits> limit_keys() {
    return {
        key("memory", optional(size_kind(1u << 20)), &ResourceLimits::memory,
            "memory of all processes together, page cache included, without swap; what needs more "
            "is killed (`oom`)"),
        key("cpu", optional(number_kind(0.01)), &ResourceLimits::cpu,
            "cores; what wants more waits for its turn"),
        key("processes", optional(whole_number(1, 1'000'000)), &ResourceLimits::processes,
            "processes and threads; more are refused (fork: EAGAIN)"),
    };
}

Key<Step> timeout_key() {
    return key("timeout", duration_kind(kTick, "\"30m\""), &Step::timeout,
               "wall clock; then the whole process tree is stopped");
}
Key<Step> env_key(std::string about = "variables of this step; [env] is not for build and test") {
    return open_table("env", environment_kind(), &Step::env, std::move(about));
}
Key<Step> secrets_key(
    std::string about = "which of [secrets] this step may see; masked in every log") {
    return key("secrets", texts_kind("an array of names", "[\"NPM_TOKEN\"]", check_variable),
               &Step::secrets, std::move(about));
}

Keys<Step> step_keys() {
    return {
        key("run", command_kind(), &Step::run,
            "needed: a string runs under `sh -euc`, an array is executed as it is"),
        timeout_key(),
        key("silence", duration_kind(kTick, "\"10m\""), &Step::silence,
            "without output; then the step is stopped"),
        env_key(),
        secrets_key(),
        key("cache", paths_kind("[\"~/.npm\"]", check_cache_path), &Step::cache,
            "kept between builds of this app",
            {"nothing but the build's HOME is kept between builds", {"[]"}}),
        key("sandbox", choice({"auto", "off"}), &Step::sandbox, "bubblewrap where it works",
            {"steps run without a sandbox, as a user of the app's own", {"\"off\""}}),
        key("network", boolean_kind(), &Step::network, "whether the step may use the network",
            {"steps always have the network", {"true"}}),
        part("limits", limit_keys(), &Step::limits,
             "of the step's process tree, by its control group"),
        key("user", user_kind(), &Step::user,
            "`auto`: a uid of its own for this app's builds, from [limits] uids of belay.toml; or "
            "a "
            "user of this machine, the same in all steps, with its groups"),
    };
}

// [command]: "user, env, secrets, timeout as elsewhere".
Keys<Step> command_keys() {
    return {
        key("run", command_kind(), &Step::run,
            "needed: runs after `current` was flipped; must be repeatable"),
        timeout_key(),
        env_key("besides [env]"),
        secrets_key("which of [secrets] it sees; none named: all; masked in every log"),
        key("user", user_kind(), &Step::user,
            "`auto`: the app's own uid; or a user of this machine, with its groups"),
    };
}

Keys<ReleaseCommand> release_keys() {
    return {
        key("run", command_kind(), &ReleaseCommand::run,
            "once per deployment, in the new release, before it starts; never on rollback. Exit "
            "10: done, and there is no way back"),
        key("timeout", duration_kind(kTick, "\"10m\""), &ReleaseCommand::timeout, "wall clock"),
        key("idempotent", boolean_kind(), &ReleaseCommand::idempotent,
            "may be run again after an interruption"),
        key("rollback", either("safe", "unsafe"), &ReleaseCommand::rollback_safe,
            "`unsafe`: as if every run exited 10"),
    };
}

Keys<AppConfig> path_filter_keys() {
    return {
        key("include", patterns_kind("[\"src/**\"]"), &AppConfig::include_paths,
            "a push that changes none of these is ignored"),
        key("exclude", patterns_kind("[\"docs/**\"]"), &AppConfig::exclude_paths,
            "changes to these don't count"),
    };
}

Keys<Credentials> credential_keys() {
    return {
        key("token", secret_kind(), &Credentials::token, "for https"),
        key("username", text_kind("a string", "\"deploy\"", check_text), &Credentials::username,
            "for https; empty: what the forge expects beside a token"),
        key("ca", text_kind("a path", "\"/etc/ssl/company.pem\"", check_absolute_path),
            &Credentials::ca, "a private CA's file, in place of the system's"),
        key("key", secret_kind(), &Credentials::key,
            "for ssh, ed25519; secrets/APP.key beside belay.toml where it exists"),
        key("known_hosts", paths_kind("[\"/etc/belay/known_hosts\"]", check_absolute_path),
            &Credentials::known_hosts,
            "files with ssh host keys; known_hosts beside belay.toml where it exists"),
    };
}

Keys<Webhook> webhook_keys() {
    return {
        key("secret", secrets_kind(), &Webhook::secrets,
            "an array while rotating; secrets/APP.hook beside belay.toml where it exists"),
        key("forge",
            choice({"auto", "github", "gitlab", "gitea", "forgejo", "gogs", "gitee",
                    "bitbucket-cloud", "bitbucket-server", "azure-devops", "sourcehut", "generic"}),
            &Webhook::forge, "who sends; \"auto\" goes by the delivery's headers"),
    };
}

Keys<Health> health_keys() {
    auto url = [](std::string_view content) -> Result<std::string> {
        constexpr std::string_view kPort = "tcp://";
        if (!content.starts_with(kPort)) return check_probe_url(content);
        auto place = "http://" + std::string(content.substr(kPort.size()));
        if (auto checked = check_probe_url(place); !checked) return checked;
        if (auto parsed = parse_http_url(place);
            !parsed->path.empty() || !place.ends_with(":" + std::to_string(parsed->port)))
            return Error{Errc::invalid,
                         "names a host and a port alone, as in \"tcp://127.0.0.1:9000\""};
        return std::string(content);
    };
    return {
        key("type", choice({"http", "tcp", "exec", "none"}), &Health::type,
            "`http` where path or url is given, else `tcp`; `exec`: `run` ends with 0; `none`: it "
            "stays up"),
        key("path", text_kind("a path", "\"/healthz\"", check_request_path), &Health::path,
            "asked on the release's own port"),
        key("url", text_kind("a URL", "\"http://127.0.0.1:9000/up\"", url), &Health::url,
            "where the process isn't ours; `tcp://127.0.0.1:9000` for its port alone"),
        key("run", command_kind(), &Health::run,
            "of type exec: in the release, as the app's user, with its environment"),
        key("method", text_kind("a method", "\"GET\"", check_method), &Health::method,
            "of the request"),
        open_table("headers", headers_kind(), &Health::headers,
                   "Host is the first of traffic.hosts, X-Forwarded-Proto as users come"),
        key("expect_status", statuses_kind(), &Health::expect_status,
            "redirects are judged, not followed"),
        key("expect_body", text_kind("a string", "\"ok\"", check_text), &Health::expect_body,
            "must be part of the answer"),
        key("interval", duration_kind(kTick, "\"1s\""), &Health::interval,
            "while verifying and baking"),
        key("live_interval", duration_kind(kTick, "\"10s\""), &Health::live_interval, "afterwards"),
        key("timeout", duration_kind(kTick, "\"5s\""), &Health::timeout, "of one probe"),
        key("healthy", whole_number(1, 1'000), &Health::healthy, "passes in a row"),
        key("min_healthy_time", duration_kind(kInstant, "\"10s\""), &Health::min_healthy_time,
            "unbroken, from the first pass"),
        key("unhealthy", whole_number(1, 1'000), &Health::unhealthy,
            "failures in a row; also 4 among the last 10"),
        key("deadline", duration_kind(kSecond, "\"5m\""), &Health::deadline,
            "from the start of the process"),
        key("on_unhealthy", choice({"alert", "restart"}), &Health::on_unhealthy, "once stable"),
    };
}

Keys<Traffic> canary_keys() {
    return {
        key("steps", percents_kind(), &Traffic::canary_steps, "share of the requests, rising"),
        key("step_time", duration_kind(kTick, "\"2m\""), &Traffic::canary_step_time,
            "between steps"),
    };
}

Keys<RollbackOn> rollback_on_keys() {
    return {
        key("error_ratio", ratio_kind(), &RollbackOn::error_ratio,
            "share of failed requests that is too much"),
        key("baseline", number_kind(1), &RollbackOn::baseline,
            "and this many times the previous release's share"),
        key("min_requests", whole_number(1, 1'000'000'000), &RollbackOn::min_requests,
            "with fewer, the probes alone decide"),
    };
}

Keys<Traffic> traffic_keys() {
    return {
        key("hosts",
            texts_kind("an array of host names", "[\"shop.example.com\"]", check_host_name),
            &Traffic::hosts, "none: this app answers where no other does (one app at most)"),
        key("path_prefix", text_kind("a path", "\"/shop\"", check_path_prefix),
            &Traffic::path_prefix, "the part of the hosts that is this app's"),
        key("listen", texts_kind("an array of addresses", "[\"127.0.0.1:3000\"]", check_listen),
            &Traffic::listen,
            "ports of its own, by themselves (behind the user's nginx) or beside hosts"),
        key("https", choice({"both", "redirect"}), &Traffic::https,
            "`redirect`: from http to https", {"plain HTTP is served as it is", {"\"both\""}}),
        key("drain", duration_kind(kInstant), &Traffic::drain,
            "for requests that the previous release still answers"),
        key("bake", duration_kind(kInstant, "\"2m\""), &Traffic::bake,
            "watched after the switch, the previous release stays warm; at least interval x "
            "unhealthy + timeout"),
        key("strategy", choice({"switch", "canary"}), &Traffic::strategy,
            "all requests at once, or in steps", {"all requests move at once", {"\"switch\""}}),
        group("canary", canary_keys(), "of strategy canary"),
        part("rollback_on", rollback_on_keys(), &Traffic::rollback_on,
             "failed requests that end a bake; both must be exceeded"),
    };
}

Keys<Keep> keep_keys() {
    return {
        key("releases", whole_number(1, 1'000), &Keep::releases,
            "healthy ones; failed ones never evict them; live, standby and last healthy are "
            "pinned"),
        key("logs", duration_kind(kSecond, "\"30d\""), &Keep::logs, "age"),
        key("disk", size_kind(1), &Keep::disk, "of all releases together"),
    };
}

Keys<AppConfig> unit_keys() {
    return {
        key("name", text_kind("a unit", "\"shop.service\"", domain::check_unit_name),
            &AppConfig::unit_name, "needed: an existing systemd service"),
        key("action", choice({"restart", "reload"}), &AppConfig::unit_action,
            "after `current` was flipped; `reload` needs ExecReload= in the unit, and starts one "
            "that does not run"),
    };
}

Keys<AppConfig> static_keys() {
    return {key("root", path_kind("\"dist\""), &AppConfig::static_root,
                "the directory of the release that is served")};
}

Keys<AppConfig> status_keys() {
    return {
        key("token", secret_kind(), &AppConfig::status_token,
            "may write commit statuses and, on GitHub, deployments; without it nothing is told"),
        key("url", text_kind("a URL", "\"https://gitea.lan/api/v1\"", check_probe_url),
            &AppConfig::status_url, "where the forge's API answers, where repo doesn't tell"),
    };
}

Later target_later(const std::string& name) {
    return {
        "apps with [" + name + "] come with a later version; this one is not deployed until then",
        {}};
}

Keys<AppConfig> make_app_keys() {
    auto repo = [](std::string_view content) -> Result<std::string> {
        auto parsed = parse_repo(content);
        if (!parsed) return parsed.error();
        return std::string(content);
    };
    return {
        key("repo", text_kind("an address", "\"git@github.com:acme/shop.git\"", repo),
            &AppConfig::repo, "needed: https, ssh, git, http, file"),
        key("branch", text_kind("a branch", "\"main\"", check_branch), &AppConfig::branch,
            "what is followed; none by itself where only tags is given"),
        key("tags", text_kind("a pattern", "\"v*\"", check_tag_pattern), &AppConfig::tags,
            "newest version, never older than live unless by hand"),
        key("directory", path_kind("\"apps/web\""), &AppConfig::directory,
            "the part of a monorepo that is this app"),
        key("submodules", submodules_kind(), &AppConfig::submodules,
            "`auto`: refused with the cure where .gitmodules exists"),
        key("poll", duration_or_off(), &AppConfig::poll, "safety net for lost webhooks"),
        key("approval", either("manual", "none"), &AppConfig::manual_approval,
            "`manual`: continuous delivery, waits after test for `belay approve`, 7 days at most"),
        key("pipeline", choice({"server", "repository"}), &AppConfig::pipeline,
            "`repository`: .belay.toml at the pushed commit may say build, test and the like",
            {"build, test and all else are taken from this file", {"\"server\""}}),
        group("paths", path_filter_keys(), "judged on the git diff live..pushed"),
        key("path", paths_kind("[\"/opt/node-22/bin\"]", check_absolute_path), &AppConfig::path,
            "before /usr/local/bin:/usr/bin:/bin, everywhere"),
        key("ship", patterns_kind("[\"dist/**\"]"), &AppConfig::ship,
            "what of the workspace becomes the release"),
        key("shared", paths_kind("[\"storage\"]", check_relative_path), &AppConfig::shared,
            "linked into every release from the app's shared directory, seeded once"),
        key("writable", paths_kind("[\"tmp\", \"log\"]", check_relative_path), &AppConfig::writable,
            "scratch of each release; all else is read-only to the app"),
        open_table(
            "env", environment_kind(), &AppConfig::env,
            "for release, all processes, run, command, exec probes; build and test name their own"),
        open_table("secrets", secret_table_kind(), &AppConfig::secrets,
                   "likewise; also from secrets/APP.env (dotenv), `belay secret set APP NAME`"),
        part("credentials", credential_keys(), &AppConfig::credentials,
             "only where the defaults don't serve"),
        part("webhook", webhook_keys(), &AppConfig::webhook,
             "optional where poll is on; the secret is made by `belay init`"),
        steps_key("build", step_keys(), &AppConfig::build, "or several [[build]] steps"),
        steps_key("test", step_keys(), &AppConfig::test, "or several [[test]] steps"),
        part("release", release_keys(), &AppConfig::release,
             "once per deployment, in the new release, before it starts"),
        service_key("one process, called web; or the defaults of [service.web] [service.worker] "
                    "... when it has no run"),
        part("command", command_keys(), &AppConfig::command,
             "instead of [service]: `current` is flipped, then this runs; on failure back again"),
        group("unit", unit_keys(),
              "instead of [service]: a systemd unit of yours, restarted or reloaded after "
              "`current` was flipped, and watched"),
        group("static", static_keys(), "instead of [service]: files served by the proxy",
              target_later("static")),
        part("health", health_keys(), &AppConfig::health, "when a release counts as healthy"),
        part("traffic", traffic_keys(), &AppConfig::traffic,
             "where it answers, and how a new release takes over"),
        part("keep", keep_keys(), &AppConfig::keep, "what is kept"),
        open_table("notify", notify_kind(), &AppConfig::notify,
                   "event = channels: failed rolled_back unhealthy recovered degraded live "
                   "awaiting_approval config_invalid disk_low"),
        group("status", status_keys(),
              "commit statuses and deployments back to the forge (docs/forges.md)"),
    };
}

}  // namespace

const Keys<Process>& process_keys() {
    static const Keys<Process> keys{
        key("run", command_kind(), &Process::run,
            "needed: web gets PORT, the traffic and the health check; others are healthy when up "
            "for min_healthy_time"),
        key("instances", whole_number(1, 256), &Process::instances, "how many of it"),
        key("overlap", boolean_kind(), &Process::overlap,
            "`false` (schedulers): the old one stops at the switch, then the new one starts; "
            "reversed on rollback"),
        key("stop_signal", text_kind("a signal", "\"TERM\"", check_signal), &Process::stop_signal,
            "asks it to end"),
        key("stop_to", choice({"tree", "main"}), &Process::stop_to,
            "`main`: prefork servers; KILL goes to the tree"),
        key("stop_timeout", duration_kind(kInstant), &Process::stop_timeout, "then KILL"),
        open_table("env", environment_kind(), &Process::env, "besides [env]"),
        part("limits", limit_keys(), &Process::limits,
             "of one instance's process tree, by its control group"),
        key("user", user_kind(), &Process::user,
            "`auto`: a uid of its own for this app, from [limits] uids of belay.toml; or a user of "
            "this "
            "machine, the same in all processes, with its groups"),
        key("socket_activation", boolean_kind(), &Process::socket_activation,
            "the private listening socket is handed over (LISTEN_FDS), so that who comes while the "
            "program is started again waits in its queue"),
        key("runtime", choice({"process", "systemd"}), &Process::runtime,
            "who keeps it running: Belay's shim, or a transient unit of systemd (as root; "
            "docs/operations.md)"),
    };
    return keys;
}

const Keys<AppConfig>& app_keys() {
    static const Keys<AppConfig> keys = make_app_keys();
    return keys;
}

const std::vector<KeyInfo>& app_key_infos() {
    static const std::vector<KeyInfo> all = infos(app_keys());
    return all;
}

}  // namespace belay::config
