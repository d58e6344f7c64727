// A server in memory: its processes, its proxy, its release directories and its git server, which
// all outlive the daemon.
#pragma once

#include <belay/domain/unit.hpp>
#include <belay/engine/engine.hpp>
#include <belay/ports/tag_order.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace belay::test {

// What a daemon finds again after it died.
struct FakeMachine {
    // git
    std::string tip = std::string(40, 'a');
    std::set<std::string> commits{std::string(40, 'a')};
    std::vector<std::string> history{std::string(40, 'a')};  // of main, oldest first
    std::map<std::string, std::string> messages;             // by commit; else "a change"
    std::map<std::string, std::string> tags;                 // name -> commit
    bool branch_gone = false;
    ports::Changes changes{{"src/main.c"}, true};  // from any commit to any other
    std::optional<ports::SourceError> changes_error;
    std::optional<ports::SourceError> fetch_error;
    std::optional<ports::SourceError> tips_error;
    std::vector<TimePoint> polls;  // when the server was asked for its tips

    void commit_to_main(const std::string& commit) {
        tip = commit;
        commits.insert(commit);
        std::erase(history, commit);
        history.push_back(commit);
    }
    // The branch as if `gone` had never been pushed.
    void force_push(const std::string& commit, const std::string& gone) {
        std::erase(history, gone);
        commits.erase(gone);
        commit_to_main(commit);
    }
    // Its place in the branch's history; -1: none.
    int age(const std::string& commit) const {
        auto at = std::find(history.begin(), history.end(), commit);
        return at == history.end() ? -1 : static_cast<int>(at - history.begin());
    }
    std::string newest_tag() const {
        std::string newest;
        for (const auto& [name, commit] : tags)
            if (newest.empty() || ports::compare_tags(newest, name) < 0) newest = name;
        return newest;
    }

    // stages: name -> how it ends; all others pass
    std::map<std::string, ports::StageOutcome> outcomes;
    std::map<std::string, int> stage_users;  // uid that a step had last
    std::vector<std::string> stages_run;

    // release directories
    std::map<ReleaseNumber, domain::Manifest> manifests;
    std::optional<domain::LiveManifest> live;
    ReleaseNumber current = 0;
    std::set<ReleaseNumber> damaged;   // are not what was sealed any more
    std::set<ReleaseNumber> unlisted;  // whose manifest's file is gone
    std::optional<Error> live_error;   // live/APP.json can't be changed
    // What a command or a unit made live, of what `current` was by then.
    ReleaseNumber in_place = 0;

    // systemd and the unit of the app
    domain::UnitState unit{"loaded", "inactive", "dead", "success", true, false, 0, 0, "", {}};
    std::optional<Error> systemd_error;                         // it can't be asked
    std::optional<Error> unit_refusal;                          // the daemon may not act on it
    std::set<std::string> unstartable_commits;                  // their unit does not come up
    std::vector<std::string> acts;                              // "restart 2", "reload 3"
    std::vector<std::pair<std::int64_t, std::string>> journal;  // of the unit: when, line

    // processes: what their program does is decided by the release's commit
    struct Process {
        ports::RunInfo info;
        ReleaseNumber release = 0;
        bool unit = false;  // kept by systemd
    };
    std::map<std::string, Process> processes;
    std::set<std::string> boots;  // runs that the machine starts
    int next_pid = 100;
    Millis stop_takes{0};
    std::uint16_t next_port = 20'000;
    std::set<std::string> sick_commits;            // their health check fails
    std::set<std::string> not_owner_commits;       // somebody else listens on their port
    std::set<std::string> no_listener_commits;     // they answer, and nobody listens on their port
    std::set<std::string> answer_and_die_commits;  // after their first answer

    std::uint64_t free_bytes = std::uint64_t{1} << 40;

    // proxy
    std::map<std::string, ports::Route> routes;
    std::map<std::string, std::int64_t> epochs;
    bool proxy_refuses = false;
    std::map<ReleaseNumber, ports::ReleaseCounters> counters;
    std::function<Task<void>()> hold_through_proxy;  // awaited by each look through it
    std::vector<ReleaseNumber> flips;  // every release that ever got the traffic, in order

    std::vector<ReleaseNumber> running() const {
        std::set<ReleaseNumber> found;
        for (const auto& [id, process] : processes)
            if (process.info.state == ports::RunState::running) found.insert(process.release);
        return {found.begin(), found.end()};
    }
    ReleaseNumber served() const {
        auto route = routes.find("shop");
        return route == routes.end() ? 0 : route->second.release;
    }
    // Whether users get an answer: the route leads to a running process of its release, or of the
    // one before.
    bool answers() const {
        auto found = routes.find("shop");
        if (found == routes.end() || found->second.upstreams.empty()) return false;
        const auto& route = found->second;
        return std::any_of(processes.begin(), processes.end(), [&](const auto& entry) {
            const auto& process = entry.second;
            auto is = [&](ReleaseNumber release, const std::vector<ports::Upstream>& upstreams) {
                return process.release == release && !upstreams.empty() &&
                       process.info.port == upstreams.front().port;
            };
            return process.info.state == ports::RunState::running &&
                   (is(route.release, route.upstreams) ||
                    is(route.fallback, route.fallback_upstreams));
        });
    }
    // What the machine starts by itself is there, whatever else comes up.
    void reboot() {
        std::erase_if(processes,
                      [this](const auto& entry) { return !boots.contains(entry.first); });
        for (auto& [id, process] : processes) {
            process.info.state = ports::RunState::running;
            process.info.booted = true;
        }
    }
};

class FakeSource : public ports::Source {
  public:
    FakeSource(FakeMachine& machine, const async::Timers& timers)
        : machine_(machine), timers_(timers) {}

    Task<ports::SourceResult<ports::Fetched>> fetch(ports::FetchJob job, async::Cancel) override {
        if (machine_.fetch_error) co_return *machine_.fetch_error;
        ports::Fetched fetched;
        const auto& wanted = job.wanted;
        fetched.tag =
            wanted.tag.empty() && !wanted.tag_pattern.empty() ? machine_.newest_tag() : wanted.tag;
        if (fetched.tag.empty()) {
            if (machine_.branch_gone) co_return unavailable("there is no branch");
            fetched.branch = "main";
            fetched.ref = "refs/heads/main";
            fetched.tip = machine_.tip;
        } else {
            if (!machine_.tags.contains(fetched.tag)) co_return unavailable("there is no tag");
            fetched.ref = "refs/tags/" + fetched.tag;
            fetched.tip = machine_.tags.at(fetched.tag);
            if (!wanted.tag_pattern.empty()) fetched.newest_tag = machine_.newest_tag();
        }
        fetched.commit = wanted.commit.empty() ? fetched.tip : wanted.commit;
        if (!machine_.commits.contains(fetched.commit)) co_return unavailable("no such commit");
        fetched.is_tip = fetched.commit == fetched.tip;
        fetched.on_branch =
            fetched.branch.empty() ? fetched.is_tip : machine_.age(fetched.commit) >= 0;
        const auto age = machine_.age(fetched.commit);
        const auto live = machine_.age(job.live);
        fetched.in_live = age >= 0 && live >= age;
        for (const auto& other : job.others)
            if (machine_.age(other) > live && machine_.age(other) <= age)
                fetched.others.push_back({other, message(other)});
        fetched.author_name = "Ada";
        fetched.subject = message(fetched.commit);
        co_return fetched;
    }
    Task<ports::SourceResult<ports::Exported>> export_tree(ports::ExportJob,
                                                           async::Cancel) override {
        co_return ports::Exported{};
    }
    Task<ports::SourceResult<std::vector<ports::Tip>>> tips(ports::TipsJob job,
                                                            async::Cancel) override {
        machine_.polls.push_back(timers_.now());
        if (machine_.tips_error) co_return *machine_.tips_error;
        std::vector<ports::Tip> tips;
        if (!job.branch.empty() && !machine_.branch_gone)
            tips.push_back({"refs/heads/main", machine_.tip});
        if (!job.tag_pattern.empty())
            for (const auto& [name, commit] : machine_.tags)
                tips.push_back({"refs/tags/" + name, commit});
        co_return tips;
    }
    Task<ports::SourceResult<ports::Changes>> changed_paths(ports::ChangesJob,
                                                            async::Cancel) override {
        if (machine_.changes_error) co_return *machine_.changes_error;
        co_return machine_.changes;
    }

  private:
    static ports::SourceError unavailable(std::string message) {
        return {ports::SourceReason::sha_unavailable, std::move(message), false};
    }
    std::string message(const std::string& commit) const {
        auto own = machine_.messages.find(commit);
        return own == machine_.messages.end() ? "a change" : own->second;
    }

    FakeMachine& machine_;
    const async::Timers& timers_;
};

class FakeStages : public ports::Stages {
  public:
    FakeStages(FakeMachine& machine, async::Timers& timers) : machine_(machine), timers_(timers) {}

    Task<Result<ports::StageOutcome>> run(ports::StageJob job, async::Cancel cancel) override {
        machine_.stages_run.push_back(job.name);
        machine_.stage_users[job.name] = job.uid;
        const bool whole = co_await timers_.sleep(Millis{1'000}, cancel);
        ports::StageOutcome outcome;
        outcome.verdict = whole ? ports::StageVerdict::passed : ports::StageVerdict::canceled;
        outcome.exit_code = 0;
        auto planned = machine_.outcomes.find(job.name);
        if (whole && planned != machine_.outcomes.end()) outcome = planned->second;
        const bool passed = outcome.verdict == ports::StageVerdict::passed;
        if (passed && (job.name == "command" || job.name == "rollback"))
            machine_.in_place = machine_.current;
        co_return outcome;
    }
    Task<Result<void>> wait_for_leftovers(std::string) override { co_return Result<void>{}; }
    Task<Result<void>> kill_all(int) override { co_return Result<void>{}; }

  private:
    FakeMachine& machine_;
    async::Timers& timers_;
};

class FakeReleases : public ports::Releases {
  public:
    explicit FakeReleases(FakeMachine& machine) : machine_(machine) {}

    std::string directory(const std::string& app, ReleaseNumber number) const override {
        return "/releases/" + app + "/" + std::to_string(number);
    }
    Task<Result<std::string>> prepare(std::string app, ReleaseNumber number,
                                      domain::AppUsers) override {
        co_return directory(app, number);
    }
    Task<Result<void>> copy(std::string, ReleaseNumber, ReleaseNumber, domain::AppUsers) override {
        co_return Result<void>{};
    }
    Task<Result<ports::TreeMark>> mark(std::string, ReleaseNumber) override {
        co_return ports::TreeMark{"mark"};
    }
    Task<boost::system::result<domain::Manifest, ports::SealFailure>> seal(
        ports::SealJob job) override {
        job.manifest.bytes = 1234;
        machine_.manifests[job.manifest.number] = job.manifest;
        co_return job.manifest;
    }
    Task<Result<std::optional<domain::Manifest>>> manifest(std::string,
                                                           ReleaseNumber number) override {
        auto found = machine_.manifests.find(number);
        if (found == machine_.manifests.end() || machine_.unlisted.contains(number))
            co_return std::optional<domain::Manifest>{};
        co_return std::optional(found->second);
    }
    Task<Result<void>> verify(std::string, ReleaseNumber number, ports::Check) override {
        if (machine_.damaged.contains(number))
            co_return Error{Errc::conflict, "release " + std::to_string(number) + " was changed"};
        co_return Result<void>{};
    }
    Task<Result<std::vector<ReleaseNumber>>> list(std::string) override {
        std::vector<ReleaseNumber> numbers;
        for (const auto& [number, manifest] : machine_.manifests)
            numbers.push_back(number);
        co_return numbers;
    }
    Task<Result<void>> remove(std::string, ReleaseNumber number) override {
        machine_.manifests.erase(number);
        co_return Result<void>{};
    }
    Task<Result<void>> set_current(std::string, ReleaseNumber number) override {
        machine_.current = number;
        co_return Result<void>{};
    }
    Task<Result<void>> write_live(domain::LiveManifest live) override {
        machine_.live = std::move(live);
        co_return Result<void>{};
    }
    Task<Result<void>> remove_live(std::string) override {
        if (machine_.live_error) co_return *machine_.live_error;
        machine_.live.reset();
        co_return Result<void>{};
    }
    Task<Result<std::pair<std::vector<domain::LiveManifest>, std::vector<Error>>>> read_live()
        override {
        std::pair<std::vector<domain::LiveManifest>, std::vector<Error>> read;
        if (machine_.live) read.first.push_back(*machine_.live);
        co_return read;
    }
    Task<Result<std::vector<std::pair<std::string, std::string>>>> environment(
        std::string, ReleaseNumber, std::string) override {
        co_return std::vector<std::pair<std::string, std::string>>{};
    }
    Task<Result<std::string>> shared_directory(std::string, domain::AppUsers) override {
        co_return std::string("/shared");
    }
    Task<Result<std::string>> home(std::string, std::string, domain::AppUsers) override {
        co_return std::string("/home");
    }
    Result<std::string> log_directory(const std::string&, const std::string&) override {
        return std::string("/logs");
    }
    Task<Result<void>> purge(std::string) override { co_return Result<void>{}; }
    Result<void> check_free(std::uint64_t reserve) const override {
        if (machine_.free_bytes >= reserve) return {};
        return Error{Errc::disk_full, "the disk is nearly full"};
    }

  private:
    FakeMachine& machine_;
};

class FakeRuntime : public ports::Runtime {
  public:
    FakeRuntime(FakeMachine& machine, async::Timers& timers) : machine_(machine), timers_(timers) {}

    Task<Result<ports::RunInfo>> start(ports::ProcessSpec spec,
                                       ports::BeforeGo before_go) override {
        if (machine_.processes.contains(spec.run_id))
            co_return Error{Errc::conflict, spec.run_id + " exists"};
        ports::RunInfo info;
        info.run_id = spec.run_id;
        info.shim_pid = machine_.next_pid++;
        info.port = spec.port;
        info.policy = spec.policy;
        auto allowed = co_await before_go(info);
        if (!allowed) co_return allowed.error();
        info.pid = machine_.next_pid++;
        auto first = spec.run_id.find('.');
        auto second = spec.run_id.find('.', first + 1);
        machine_.processes[spec.run_id] = {
            info, std::stoll(spec.run_id.substr(first + 1, second - first - 1)),
            spec.runtime == "systemd"};
        co_return info;
    }
    Task<Result<std::vector<ports::RunInfo>>> adopt() override { co_return runs(); }
    Task<Result<void>> set_policy(std::string id, RestartPolicy policy) override {
        auto found = machine_.processes.find(id);
        if (found == machine_.processes.end()) co_return Error{Errc::not_found, id};
        found->second.info.policy = policy;
        co_return Result<void>{};
    }
    Task<Result<void>> stop(std::string id) override {
        auto found = machine_.processes.find(id);
        if (found == machine_.processes.end()) co_return Error{Errc::not_found, id};
        machine_.boots.erase(id);
        if (machine_.stop_takes > Millis{0}) co_await timers_.sleep(machine_.stop_takes);
        if (on_stop) on_stop(found->second.info);
        found->second.info.state = ports::RunState::exited;
        co_return Result<void>{};
    }
    std::function<void(const ports::RunInfo&)> on_stop;
    Task<Result<void>> add_listeners(std::string, std::vector<ports::Listener>) override {
        co_return Result<void>{};
    }
    Task<Result<void>> signal(std::string, int) override { co_return Result<void>{}; }
    Task<Result<void>> start_at_boot(std::string, std::vector<std::string> ids) override {
        machine_.boots.clear();
        for (auto& id : ids)
            if (machine_.processes.contains(id) && machine_.processes.at(id).unit)
                machine_.boots.insert(id);
        co_return Result<void>{};
    }
    void on_change(std::function<void(const ports::RunInfo&)> callback) override {
        callback_ = std::move(callback);
    }
    Result<ports::RunInfo> info(const std::string& id) const override {
        auto found = machine_.processes.find(id);
        if (found == machine_.processes.end()) return Error{Errc::not_found, id};
        return found->second.info;
    }
    std::vector<ports::RunInfo> runs() const override {
        std::vector<ports::RunInfo> result;
        for (const auto& [id, process] : machine_.processes)
            result.push_back(process.info);
        return result;
    }
    Task<Result<void>> forget(std::string id) override {
        machine_.processes.erase(id);
        machine_.boots.erase(id);
        co_return Result<void>{};
    }
    Task<Result<ports::ListenerReport>> listeners(std::string id, std::uint16_t port) override {
        ports::ListenerReport report;
        auto release = machine_.processes.at(id).release;
        const auto commit = machine_.manifests.at(release).commit;
        if (machine_.answer_and_die_commits.contains(commit)) crash(release, 7);
        if (machine_.answer_and_die_commits.contains(commit) ||
            machine_.no_listener_commits.contains(commit))
            co_return report;
        bool ours = !machine_.not_owner_commits.contains(commit);
        report.on_port.push_back(
            {"127.0.0.1:" + std::to_string(port), port, ours, "stranger (pid 1)"});
        co_return report;
    }
    Result<std::uint16_t> allot_port(std::uint16_t preferred) override {
        return preferred != 0 ? preferred : machine_.next_port++;
    }
    void release_port(std::uint16_t) override {}

    // The program of every process of the release ends with this code; its shim restarts it where
    // that is its policy.
    void crash(ReleaseNumber release, int code) {
        Exit exit;
        exit.code = code;
        end(release, exit);
    }
    void end(ReleaseNumber release, Exit exit) {
        for (auto& [id, process] : machine_.processes) {
            if (process.release != release || process.info.state != ports::RunState::running)
                continue;
            process.info.last_exit = exit;
            const bool again = process.info.policy == RestartPolicy::always;
            process.info.state = again ? ports::RunState::backing_off : ports::RunState::exited;
            auto seen = process.info;
            if (again) process.info.state = ports::RunState::running;
            if (callback_) callback_(seen);
            return;
        }
    }

  private:
    FakeMachine& machine_;
    async::Timers& timers_;
    std::function<void(const ports::RunInfo&)> callback_;
};

class FakeTraffic : public ports::Traffic {
  public:
    explicit FakeTraffic(FakeMachine& machine) : machine_(machine) {}

    Task<Result<ports::TrafficHello>> hello() override { co_return greeting(); }
    Task<Result<void>> apply(ports::Route route) override {
        if (machine_.proxy_refuses) co_return Error{Errc::unavailable, "the proxy does not answer"};
        auto& epoch = machine_.epochs[route.app];
        if (route.epoch < epoch || (route.epoch == epoch && machine_.routes[route.app] != route))
            co_return Error{Errc::conflict, "a higher epoch is in force"};
        epoch = route.epoch;
        if (auto now = machine_.routes.find(route.app);
            now == machine_.routes.end() || now->second.release != route.release)
            machine_.flips.push_back(route.release);
        machine_.routes[route.app] = std::move(route);
        co_return Result<void>{};
    }
    Task<Result<void>> remove(std::string app, std::int64_t epoch) override {
        machine_.epochs[app] = std::max(machine_.epochs[app], epoch);
        machine_.routes.erase(app);
        co_return Result<void>{};
    }
    Task<Result<void>> sync() override { co_return Result<void>{}; }
    Task<Result<void>> set_settings(ports::TrafficSettings) override { co_return Result<void>{}; }
    Task<Result<void>> add_listener(int, std::string) override { co_return Result<void>{}; }
    Task<Result<void>> remove_listener(std::string) override { co_return Result<void>{}; }
    Task<Result<ports::Drained>> drain(std::string, ReleaseNumber, Millis) override {
        co_return ports::Drained{};
    }
    Task<Result<std::vector<ports::ReleaseCounters>>> counters(std::string) override {
        std::vector<ports::ReleaseCounters> all;
        for (auto& [release, counted] : machine_.counters) {
            counted.release = release;
            all.push_back(counted);
        }
        co_return all;
    }
    Task<Result<ports::TrafficFigures>> figures(Millis) override {
        ports::TrafficFigures figures;
        for (auto& [release, counted] : machine_.counters) {
            counted.release = release;
            figures.apps["shop"].push_back(counted);
        }
        co_return figures;
    }
    Task<Result<ports::Serving>> serving(std::string app) override {
        if (!machine_.epochs.contains(app)) co_return Error{Errc::not_found, app};
        co_return serving_of(app);
    }
    Task<Result<void>> shutdown(Millis) override { co_return Result<void>{}; }
    void on_connected(std::function<void(const ports::TrafficHello&)> callback) override {
        callback_ = std::move(callback);
        reconnect();
    }
    void reconnect() { callback_(greeting()); }

  private:
    ports::TrafficHello greeting() const {
        ports::TrafficHello hello;
        for (const auto& [app, epoch] : machine_.epochs)
            hello.apps[app] = serving_of(app);
        return hello;
    }
    ports::Serving serving_of(const std::string& app) const {
        ports::Serving serving;
        serving.epoch = machine_.epochs.at(app);
        auto route = machine_.routes.find(app);
        if (route != machine_.routes.end()) {
            serving.release = route->second.release;
            serving.fallback = route->second.fallback;
        }
        return serving;
    }
    FakeMachine& machine_;
    std::function<void(const ports::TrafficHello&)> callback_;
};

class FakeProber : public ports::Prober {
  public:
    explicit FakeProber(FakeMachine& machine) : machine_(machine) {}

    Task<domain::Probe> probe(ports::ProbeTarget target, async::Cancel) override {
        domain::Probe probe;
        probe.target = "http://127.0.0.1:" + std::to_string(target.port);
        probe.error = "connection refused";
        probe.refused = true;
        if (auto found = machine_.manifests.find(machine_.in_place);
            !target.health.url.empty() && found != machine_.manifests.end()) {
            if (found->second.unit && !machine_.unit.up()) co_return probe;
            probe.refused = false;
            probe.error = machine_.sick_commits.contains(found->second.commit) ? "status 500" : "";
            co_return probe;
        }
        for (const auto& [id, process] : machine_.processes) {
            if (process.info.port != target.port || process.info.state != ports::RunState::running)
                continue;
            const auto& commit = machine_.manifests.at(process.release).commit;
            probe.refused = false;
            probe.error = machine_.sick_commits.contains(commit) ? "status 500" : "";
        }
        co_return probe;
    }
    Task<Result<ReleaseNumber>> through_proxy(ports::ProbeTarget, std::string) override {
        if (machine_.hold_through_proxy) co_await machine_.hold_through_proxy();
        co_return machine_.served();
    }

  private:
    FakeMachine& machine_;
};

// Configurations by what they were encoded to.
class FakeConfigSource : public ports::ConfigSource {
  public:
    domain::ServerConfig server;
    std::vector<domain::AppConfig> apps;
    bool broken = false;  // the apps' files have an error

    ports::LoadedConfig load() override {
        ports::LoadedConfig loaded;
        loaded.server = server;
        for (const auto& app : apps) {
            loaded.apps.push_back({app.name, app.name + ".toml", app, {}});
            if (!broken) continue;
            loaded.apps.back().config.reset();
            loaded.apps.back().complaints = {{app.name + ".toml", 3, 1, "unknown key", false}};
        }
        return loaded;
    }
    std::string encode(const domain::AppConfig& config) const override {
        for (std::size_t i = 0; i < seen_.size(); ++i)
            if (seen_[i] == config) return "config " + std::to_string(i);
        seen_.push_back(config);
        return "config " + std::to_string(seen_.size() - 1);
    }
    Result<domain::AppConfig> decode(const std::string& json) const override {
        return seen_.at(static_cast<std::size_t>(std::stoi(json.substr(7))));
    }
    std::string hash(const std::string& json) const override { return "#" + json; }
    Result<Secret> resolve(const domain::SecretRef&) const override { return Secret("secret"); }
    std::map<std::string, User> users;
    Result<User> user(const std::string& name) const override {
        if (auto found = users.find(name); found != users.end()) return found->second;
        return Error{Errc::invalid, "there is no user \"" + name + "\""};
    }
    Result<std::map<std::string, Secret>> secrets(const domain::AppConfig&) const override {
        return std::map<std::string, Secret>{};
    }

  private:
    mutable std::vector<domain::AppConfig> seen_;
};

}  // namespace belay::test
