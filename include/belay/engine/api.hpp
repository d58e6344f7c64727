// What the faces (HTTP, and through it the command line) may ask of the engine.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/domain/deployment.hpp>
#include <belay/domain/event.hpp>
#include <belay/domain/push.hpp>
#include <belay/domain/release.hpp>
#include <belay/ports/config_source.hpp>
#include <belay/ports/store.hpp>
#include <belay/ports/units.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::engine {

// One running process instance of an app, for `belay status`.
struct ProcessView {
    std::string run_id;
    std::string process;
    int instance = 1;
    ReleaseNumber release = 0;
    std::string state;  // running, backing_off, exited, gone
    int pid = 0;
    int port = 0;
    int restarts = 0;
    TimePoint started_at{};
};

struct LiveView {
    ReleaseNumber release = 0;
    std::string commit;
    TimePoint since{};
    std::string health;  // healthy, unhealthy, flapping, unknown, unverified
};

// How polling goes; since the daemon was started.
struct PollView {
    TimePoint last_at{};  // 0: not yet
    TimePoint next_at{};
    std::string tip;    // of the followed branch, else of the newest tag, when it was last reached
    int failures = 0;   // in a row; each makes the pause longer
    std::string error;  // of the last one
};

struct AppView {
    std::string name;
    domain::AppState state = domain::AppState::none;
    std::optional<domain::Hold> hold;
    std::optional<LiveView> live;
    ReleaseNumber standby = 0;
    ReleaseNumber stable = 0;
    std::optional<domain::Deployment> deployment;  // the active one, else the newest queued
    std::vector<domain::Deployment> queued;
    std::vector<ProcessView> processes;
    std::string config_error;   // first complaint of the app's file; empty: none
    bool orphaned = false;      // its file is gone
    bool config_newer = false;  // the file is newer than the live release
    std::string file;
    std::string repo;
    std::string branch;
    std::string tags;
    std::optional<PollView> poll;   // none: polling is off
    std::vector<std::string> urls;  // where it answers
};

struct DeploymentView {
    domain::Deployment deployment;
    std::vector<domain::Stage> stages;
    std::vector<domain::Probe> probes;
    std::vector<std::string> log_tail;  // of the failed stage, else of the newest one
};

// Where a log is on disk; the faces read and follow the file themselves.
struct LogSource {
    std::string path;
    std::string name;          // stage or process.instance
    bool live = false;         // may still grow
    std::vector<Secret> mask;  // to be applied to what is shown: app logs are stored as they come
    std::optional<DeploymentId> deployment;  // its end ends a follow
    // Where it is no file, but what a unit writes to the journal: from a place on, in microseconds
    // of the wall clock.
    std::function<std::unique_ptr<ports::UnitLog>(std::int64_t after)> journal;
    std::int64_t journal_from = 0;  // when the release went live
};

// How one delivery was answered (spec/interfaces.md §4).
struct HookAnswer {
    int status_code = 200;
    DeliveryId delivery;
    DeploymentId deployment;  // 0: none
    domain::Decision decision = domain::Decision::ignored;
    std::string reason;
};

// What the hook endpoint must know to judge a request before anything is parsed.
struct HookSettings {
    std::vector<Secret> secrets;  // empty: the endpoint does not exist for this app
    std::string forge;            // name or "auto"
};

struct DeployRequest {
    std::string ref;     // branch, tag or full ref; empty: what the app follows
    std::string commit;  // full id; empty: the tip
    bool force = false;
    std::string by;  // who asked, for the record
};

struct RollbackRequest {
    ReleaseNumber to = 0;  // 0: the last healthy one before live
    bool hold = true;
    std::string by;
};

struct Accepted {
    DeploymentId deployment;
    std::string note;  // "superseded d12", "waits: the app is on hold"
};

struct ReloadReport {
    bool ok = true;
    std::vector<ports::Complaint> complaints;
    // app -> one line of what changed: "added", "gone: orphaned", "changed: [build] run, [traffic]
    // bake"
    std::vector<std::pair<std::string, std::string>> changes;
};

struct ServerStatus {
    std::string version;
    TimePoint started_at{};
    int pid = 0;
    int proxy_pid = 0;  // 0: not running
    bool ready = false;
    std::vector<std::string>
        problems;                 // what keeps it from being ready, or limits it: plain sentences
    bool separate_users = false;  // false: pushed code has the daemon's rights
    std::string state_directory;
    std::vector<std::string> proxy_listen;
    std::string public_url;
};

// A release that the retention rules take from the disk (docs/configuration.md, [keep]).
struct Removal {
    std::string app;
    ReleaseNumber release = 0;
    std::uint64_t bytes = 0;  // 0: not known, as it was never sealed
    std::string why;
    std::string error;  // why it is still there; empty: it went, or this was a dry run
};

// What `belay run` needs to start a one-off command, as the CLI's side executes nothing itself.
struct OneOff {
    std::string app;
    std::vector<std::string> argv;
};

// One thing that happened on the way from a delivery to its outcome.
struct WhyStep {
    TimePoint at{};       // 0: has no time of its own
    std::string kind;     // delivery, decision, deployment, stage, waits, end, live, polling
    std::string subject;  // w88, d12, the stage's name; empty: belongs to the step before
    std::string state;    // decision, state or outcome, one word
    domain::Rule rule = domain::Rule::none;
    std::string text;                // a sentence or less, for people
    std::vector<std::string> lines;  // what belongs below it: the end of a log, a probe's answer
};

// `belay why`: the answer, how it came to that, and what one can do now.
struct Explanation {
    std::string app;  // empty: of no one app
    std::string commit;
    std::string ref;
    std::string answer;  // in one sentence
    std::vector<WhyStep> steps;
    std::vector<std::string> next;  // commands and deeds, one line each
};

// Subscribers see every event after it is durable, on the loop, in order.
using EventSink = std::function<void(const domain::EventRecord&)>;

// Loop thread only. Every Task is answered from memory or one store access; commands return once
// the request is durable, not when the work is done.
class Api {
  public:
    virtual ~Api() = default;

    // --- deliveries
    virtual std::optional<HookSettings> hook_settings(const std::string& app) = 0;
    // `push` was verified. Returns after the commit; Errc::unavailable or disk_full: nothing was
    // stored, answer 503.
    virtual Task<Result<HookAnswer>> submit(std::string app, std::string forge, domain::Push push,
                                            std::string body_digest) = 0;
    // A request that was refused before it could be understood, for the record (bad signature of an
    // existing app, malformed).
    virtual Task<void> record_refusal(std::string app, std::string forge, int status_code,
                                      std::string reason) = 0;
    virtual Task<Result<HookAnswer>> redeliver(DeliveryId id) = 0;
    virtual Task<Result<std::vector<domain::Delivery>>> deliveries(std::string app,
                                                                   ports::Page page) = 0;
    virtual Task<Result<domain::Delivery>> delivery(DeliveryId id) = 0;

    // --- reading
    virtual ServerStatus server_status() = 0;
    virtual std::vector<AppView> apps() = 0;
    virtual Result<AppView> app(const std::string& name) = 0;
    virtual Task<Result<std::vector<domain::Deployment>>> deployments(std::string app,
                                                                      ports::Page page) = 0;
    virtual Task<Result<DeploymentView>> deployment(DeploymentId id) = 0;
    virtual Task<Result<std::vector<domain::Release>>> releases(std::string app) = 0;
    // From the delivery to the outcome, of a commit or its beginning, a delivery or a deployment.
    // What is not in the record is answered as well, by what is known of the apps; Errc::invalid:
    // it is none of the three.
    virtual Task<Result<Explanation>> why(std::string what) = 0;
    // stage empty: all of the deployment's stages in order.
    virtual Task<Result<std::vector<LogSource>>> stage_logs(DeploymentId id, std::string stage) = 0;
    // The live release's processes; process empty: all.
    virtual Result<std::vector<LogSource>> app_logs(const std::string& app,
                                                    const std::string& process) = 0;
    virtual Task<Result<std::vector<domain::EventRecord>>> events(std::int64_t after, int limit,
                                                                  std::string app,
                                                                  DeploymentId deployment) = 0;
    // Dropping the subscription ends it.
    [[nodiscard]] virtual async::Subscription subscribe(EventSink sink) = 0;

    // --- acting
    virtual Task<Result<Accepted>> deploy(std::string app, DeployRequest request) = 0;
    virtual Task<Result<Accepted>> rollback(std::string app, RollbackRequest request) = 0;
    virtual Task<Result<Accepted>> cancel(DeploymentId id, std::string by) = 0;
    virtual Task<Result<Accepted>> approve(DeploymentId id, std::string by) = 0;
    virtual Task<Result<Accepted>> reject(DeploymentId id, std::string why, std::string by) = 0;
    virtual Task<Result<void>> hold(std::string app, std::string why, std::string by) = 0;
    virtual Task<Result<void>> resume(std::string app, std::string by) = 0;
    virtual Task<Result<Accepted>> restart(std::string app, std::string by) = 0;
    virtual Task<Result<void>> stop(std::string app, std::string by) = 0;
    virtual Task<Result<Accepted>> start(std::string app, std::string by) = 0;
    virtual Task<Result<void>> remove(std::string app, bool purge, std::string by) = 0;
    virtual Task<Result<ReloadReport>> reload() = 0;
    // Copies the database into a new file (0600) of the daemon's machine. Errors as
    // ports::Store::backup().
    virtual Task<Result<void>> backup(std::string file) = 0;
    // Checks a backup and lays it ready; the daemon then begins again with it, while what is live
    // runs on. Errc::not_found, invalid, conflict (its schema is newer), disk_full.
    virtual Task<Result<void>> restore(std::string file) = 0;
    // What the retention rules remove, removed now; `dry_run`: only said.
    virtual Task<Result<std::vector<Removal>>> gc(bool dry_run) = 0;
    // A test alert, now; what the channel's server answered.
    virtual Task<Result<std::string>> test_channel(std::string channel) = 0;
    // Ends the proxy and all live releases, then the daemon; returns when it has begun.
    virtual Task<Result<void>> shutdown() = 0;
    // Runs a command in the live release's directory and environment; output goes to `output` as it
    // comes (masked). Returns the exit code (128 + signal).
    virtual Task<Result<int>> run(OneOff command,
                                  std::function<Task<bool>(std::string)> output) = 0;
};

}  // namespace belay::engine
