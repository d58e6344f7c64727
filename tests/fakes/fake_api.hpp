// An engine that remembers what it was asked and answers what a test has laid out.
#pragma once

#include <belay/async/event.hpp>
#include <belay/engine/api.hpp>

#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace belay::test {

// Loop thread only.
class FakeApi : public engine::Api {
  public:
    // --- what a test lays out
    std::map<std::string, engine::HookSettings> hooks;
    engine::HookAnswer hook_answer{202, DeliveryId{3}, DeploymentId{12}, domain::Decision::queued,
                                   ""};
    std::optional<Error> failure;      // of every act and of submit
    std::function<void()> on_act;      // called when something is asked
    async::Event* wait_for = nullptr;  // deploy answers when it is set
    engine::ServerStatus status{"0.1.0", {}, 1, 0, true, {}, false, "/state", {}, ""};
    std::map<std::string, engine::AppView> views;
    std::map<std::int64_t, engine::DeploymentView> deployment_views;
    std::vector<domain::Delivery> inbox;  // newest first
    std::vector<domain::EventRecord> history;
    std::map<std::string, std::vector<engine::LogSource>> logs;  // by app, app/process or d12/stage
    std::vector<std::string> output{"hello\n"};                  // of run
    int exit_code = 0;

    // --- what was asked
    struct Submitted {
        std::string app;
        std::string forge;
        domain::Push push;
        std::string digest;
    };
    struct Refused {
        std::string app;
        std::string forge;
        int status;
        std::string reason;
    };
    std::vector<Submitted> submitted;
    std::vector<Refused> refused;
    std::vector<std::string> asked;  // "deploy shop ref=main by=root"

    void happen(domain::EventRecord event) {
        event.id = static_cast<std::int64_t>(history.size()) + 1;
        history.push_back(event);
        for (auto& sink : sinks_)
            sink(event);
    }
    std::size_t subscribers() const { return sinks_.size(); }

    // --- engine::Api
    std::optional<engine::HookSettings> hook_settings(const std::string& app) override {
        auto place = hooks.find(app);
        return place == hooks.end() ? std::nullopt : std::optional(place->second);
    }
    Task<Result<engine::HookAnswer>> submit(std::string app, std::string forge, domain::Push push,
                                            std::string body_digest) override {
        if (failure) co_return *failure;
        submitted.push_back({app, forge, push, body_digest});
        co_return hook_answer;
    }
    Task<void> record_refusal(std::string app, std::string forge, int status_code,
                              std::string reason) override {
        refused.push_back({app, forge, status_code, reason});
        co_return;
    }
    Task<Result<engine::HookAnswer>> redeliver(DeliveryId id) override {
        note("redeliver " + to_string(id));
        if (failure) co_return *failure;
        co_return hook_answer;
    }
    Task<Result<std::vector<domain::Delivery>>> deliveries(std::string app,
                                                           ports::Page page) override {
        std::vector<domain::Delivery> found;
        for (const auto& each : inbox)
            if ((app.empty() || each.app == app) &&
                (page.before == 0 || each.id.value < page.before) &&
                found.size() < static_cast<std::size_t>(page.limit))
                found.push_back(each);
        co_return found;
    }
    Task<Result<domain::Delivery>> delivery(DeliveryId id) override {
        for (const auto& each : inbox)
            if (each.id == id) co_return each;
        co_return Error{Errc::not_found, "there is no delivery " + to_string(id)};
    }

    engine::ServerStatus server_status() override { return status; }
    std::vector<engine::AppView> apps() override {
        std::vector<engine::AppView> all;
        for (const auto& [name, view] : views)
            all.push_back(view);
        return all;
    }
    Result<engine::AppView> app(const std::string& name) override {
        auto place = views.find(name);
        if (place == views.end()) return no_app(name);
        return place->second;
    }
    Task<Result<std::vector<domain::Deployment>>> deployments(std::string app,
                                                              ports::Page page) override {
        std::vector<domain::Deployment> found;
        for (auto each = deployment_views.rbegin(); each != deployment_views.rend(); ++each)
            if (each->second.deployment.app == app &&
                (page.before == 0 || each->first < page.before) &&
                found.size() < static_cast<std::size_t>(page.limit))
                found.push_back(each->second.deployment);
        co_return found;
    }
    Task<Result<engine::DeploymentView>> deployment(DeploymentId id) override {
        auto place = deployment_views.find(id.value);
        if (place == deployment_views.end())
            co_return Error{Errc::not_found, "there is no deployment " + to_string(id)};
        co_return place->second;
    }
    Task<Result<std::vector<domain::Release>>> releases(std::string app) override {
        domain::Release release;
        release.app = app;
        release.number = 7;
        release.commit = std::string(40, 'a');
        release.deployment = DeploymentId{12};
        release.state = domain::ReleaseState::live;
        std::vector<domain::Release> all{release};
        co_return all;
    }
    Task<Result<engine::Explanation>> why(std::string what) override {
        engine::Explanation explanation;
        explanation.answer = "asked about " + what;
        co_return explanation;
    }
    Task<Result<std::vector<engine::LogSource>>> stage_logs(DeploymentId id,
                                                            std::string stage) override {
        auto place = logs.find(to_string(id) + "/" + stage);
        if (place == logs.end()) co_return Error{Errc::not_found, "there is no such stage"};
        co_return place->second;
    }
    Result<std::vector<engine::LogSource>> app_logs(const std::string& app,
                                                    const std::string& process) override {
        auto place = logs.find(app + (process.empty() ? "" : "/" + process));
        if (place == logs.end()) return no_app(app);
        return place->second;
    }
    Task<Result<std::vector<domain::EventRecord>>> events(std::int64_t after, int limit,
                                                          std::string app,
                                                          DeploymentId deployment) override {
        std::vector<domain::EventRecord> found;
        for (const auto& each : history)
            if (each.id > after && (app.empty() || each.app == app) &&
                (!deployment || each.deployment == deployment) &&
                found.size() < static_cast<std::size_t>(limit))
                found.push_back(each);
        co_return found;
    }
    async::Subscription subscribe(engine::EventSink sink) override {
        auto place = sinks_.insert(sinks_.end(), std::move(sink));
        return async::Subscription([this, place] { sinks_.erase(place); });
    }

    Task<Result<engine::Accepted>> deploy(std::string app, engine::DeployRequest request) override {
        auto accepted =
            accept("deploy " + app + " ref=" + request.ref + " commit=" + request.commit +
                   " force=" + (request.force ? "yes" : "no") + " by=" + request.by);
        if (wait_for) co_await wait_for->wait();
        co_return accepted;
    }
    Task<Result<engine::Accepted>> rollback(std::string app,
                                            engine::RollbackRequest request) override {
        co_return accept("rollback " + app + " to=" + std::to_string(request.to) +
                         " hold=" + (request.hold ? "yes" : "no") + " by=" + request.by);
    }
    Task<Result<engine::Accepted>> cancel(DeploymentId id, std::string by) override {
        co_return accept("cancel " + to_string(id) + " by=" + by);
    }
    Task<Result<engine::Accepted>> approve(DeploymentId id, std::string by) override {
        co_return accept("approve " + to_string(id) + " by=" + by);
    }
    Task<Result<engine::Accepted>> reject(DeploymentId id, std::string reason,
                                          std::string by) override {
        co_return accept("reject " + to_string(id) + " why=" + reason + " by=" + by);
    }
    Task<Result<void>> hold(std::string app, std::string reason, std::string by) override {
        co_return act("hold " + app + " why=" + reason + " by=" + by);
    }
    Task<Result<void>> resume(std::string app, std::string by) override {
        co_return act("resume " + app + " by=" + by);
    }
    Task<Result<engine::Accepted>> restart(std::string app, std::string by) override {
        co_return accept("restart " + app + " by=" + by);
    }
    Task<Result<void>> stop(std::string app, std::string by) override {
        co_return act("stop " + app + " by=" + by);
    }
    Task<Result<engine::Accepted>> start(std::string app, std::string by) override {
        co_return accept("start " + app + " by=" + by);
    }
    Task<Result<void>> remove(std::string app, bool purge, std::string by) override {
        co_return act("remove " + app + " purge=" + (purge ? "yes" : "no") + " by=" + by);
    }
    Task<Result<std::string>> test_channel(std::string channel) override {
        note("test " + channel);
        if (channel != "ops")
            co_return Error{Errc::not_found, "there is no channel \"" + channel + "\""};
        co_return std::string("answered 200");
    }
    Task<Result<void>> backup(std::string file) override {
        note("backup " + file);
        if (failure) co_return *failure;
        co_return Result<void>{};
    }
    Task<Result<void>> restore(std::string file) override {
        note("restore " + file);
        if (failure) co_return *failure;
        co_return Result<void>{};
    }
    Task<Result<std::vector<engine::Removal>>> gc(bool dry_run) override {
        note(dry_run ? "gc dry" : "gc");
        if (failure) co_return *failure;
        std::vector<engine::Removal> removals{{"shop", 3, 1'024, "beyond the newest 5", {}}};
        co_return removals;
    }
    Task<Result<engine::ReloadReport>> reload() override {
        note("reload");
        if (failure) co_return *failure;
        engine::ReloadReport report;
        report.changes.emplace_back("shop", "added");
        co_return report;
    }
    Task<Result<void>> shutdown() override { co_return act("shutdown"); }
    Task<Result<int>> run(engine::OneOff command,
                          std::function<Task<bool>(std::string)> show) override {
        note("run " + command.app + " " + command.argv.at(0));
        if (failure) co_return *failure;
        for (const auto& each : output) {
            std::string piece = each;
            if (!co_await show(std::move(piece))) co_return 137;
        }
        co_return exit_code;
    }

  private:
    static Error no_app(const std::string& name) {
        return Error{Errc::not_found, "there is no app \"" + name + "\""};
    }
    void note(std::string text) {
        asked.push_back(std::move(text));
        if (on_act) on_act();
    }
    Result<void> act(std::string text) {
        note(std::move(text));
        if (failure) return *failure;
        return {};
    }
    Result<engine::Accepted> accept(std::string text) {
        note(std::move(text));
        if (failure) return *failure;
        return engine::Accepted{DeploymentId{12}, ""};
    }

    std::list<engine::EventSink> sinks_;
};

}  // namespace belay::test
