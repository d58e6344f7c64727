// The engine's one class: its parts lie in engine.cpp (lanes), alerts.cpp, boot.cpp, commands.cpp,
// deliveries.cpp, live_watch.cpp, one_off.cpp, poller.cpp, reload.cpp, retention.cpp, views.cpp,
// why.cpp.
#pragma once

#include "deployer.hpp"
#include "explain.hpp"
#include "matching.hpp"
#include "seen_deliveries.hpp"
#include "services.hpp"
#include "statuses.hpp"

#include <belay/engine/engine.hpp>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace belay::engine {

class EngineCore final : public Engine {
  public:
    EngineCore(World world, EngineOptions options, Hooks hooks);

    // boot.cpp
    Task<void> boot() override;
    Task<void> load(ports::Store* store, std::string problem) override;
    Task<void> close() override;
    // engine.cpp
    Result<Secret> status_token(const std::string& app) override;
    // views.cpp
    Figures figures() override;

    // deliveries.cpp
    std::optional<HookSettings> hook_settings(const std::string& app) override;
    Task<Result<HookAnswer>> submit(std::string app, std::string forge, domain::Push push,
                                    std::string body_digest) override;
    Task<void> record_refusal(std::string app, std::string forge, int status_code,
                              std::string reason) override;
    Task<Result<HookAnswer>> redeliver(DeliveryId id) override;
    Task<Result<std::vector<domain::Delivery>>> deliveries(std::string app,
                                                           ports::Page page) override;
    Task<Result<domain::Delivery>> delivery(DeliveryId id) override;

    // views.cpp
    ServerStatus server_status() override;
    std::vector<AppView> apps() override;
    Result<AppView> app(const std::string& name) override;
    Task<Result<std::vector<domain::Deployment>>> deployments(std::string app,
                                                              ports::Page page) override;
    Task<Result<DeploymentView>> deployment(DeploymentId id) override;
    Task<Result<std::vector<domain::Release>>> releases(std::string app) override;
    Task<Result<std::vector<LogSource>>> stage_logs(DeploymentId id, std::string stage) override;
    Result<std::vector<LogSource>> app_logs(const std::string& app,
                                            const std::string& process) override;
    Task<Result<std::vector<domain::EventRecord>>> events(std::int64_t after, int limit,
                                                          std::string app,
                                                          DeploymentId deployment) override;
    async::Subscription subscribe(EventSink sink) override;
    // why.cpp
    Task<Result<Explanation>> why(std::string what) override;

    // commands.cpp
    Task<Result<Accepted>> deploy(std::string app, DeployRequest request) override;
    Task<Result<Accepted>> rollback(std::string app, RollbackRequest request) override;
    Task<Result<Accepted>> cancel(DeploymentId id, std::string by) override;
    Task<Result<Accepted>> approve(DeploymentId id, std::string by) override;
    Task<Result<Accepted>> reject(DeploymentId id, std::string why, std::string by) override;
    Task<Result<void>> hold(std::string app, std::string why, std::string by) override;
    Task<Result<void>> resume(std::string app, std::string by) override;
    Task<Result<Accepted>> restart(std::string app, std::string by) override;
    Task<Result<void>> stop(std::string app, std::string by) override;
    Task<Result<Accepted>> start(std::string app, std::string by) override;
    Task<Result<void>> remove(std::string app, bool purge, std::string by) override;
    // alerts.cpp
    Task<Result<std::string>> test_channel(std::string channel) override;
    // reload.cpp
    Task<Result<ReloadReport>> reload() override;
    // commands.cpp
    Task<Result<void>> backup(std::string file) override;
    Task<Result<void>> restore(std::string file) override;
    // retention.cpp
    Task<Result<std::vector<Removal>>> gc(bool dry_run) override;
    // commands.cpp
    Task<Result<void>> shutdown() override;
    // one_off.cpp
    Task<Result<int>> run(OneOff command, std::function<Task<bool>(std::string)> output) override;

  private:
    // engine.cpp: lanes and the queue.
    AppContext* find(const std::string& name);
    Result<AppContext*> known(const std::string& name);
    AppContext& add_app(const std::string& name);
    Task<void> lane(AppContext& app);
    Task<bool> work_on_next(AppContext& app);
    Task<Result<void>> record_run(domain::Run run);
    std::optional<std::size_t> next_in_queue(const AppContext& app) const;
    Task<Result<void>> prepare_active(AppContext& app, domain::Deployment deployment);
    // Assigns id, release number and configuration; one durable batch with `more`; older queued
    // ones are superseded.
    Task<Result<DeploymentId>> enqueue(AppContext& app, domain::Deployment deployment,
                                       std::vector<ports::Write> more = {});
    void ask(AppContext& app, domain::Event event);
    // One that was to leave the queue, where its end could not be stored.
    void put_back(AppContext& app, const domain::Deployment& queued);
    Task<void> supersede_active(AppContext& app, DeploymentId by);
    Task<Result<void>> ensure_users(AppContext& app);
    // Why what the app's file says can't be deployed, as a sentence; empty: it can.
    std::string undeployable(const AppContext& app) const;

    // boot.cpp
    Task<void> boot_app(domain::LiveManifest live);
    Task<void> boot_release(AppContext& app, domain::Manifest chosen);
    Task<void> boot_older(AppContext& app);
    Task<void> route_live(AppContext& app);
    Task<void> trust_the_manifest(AppContext& app);
    Task<void> correct_rows(AppContext& app);
    Task<void> take_in_lost_releases(AppContext& app, std::vector<ReleaseNumber> on_disk);
    Task<void> reconcile(AppContext& app, std::vector<domain::Deployment> unfinished);
    Task<void> resume_active(AppContext& app, domain::Deployment deployment);
    Task<void> resume(AppContext& app);
    void start_tasks(AppContext& app);
    void on_proxy_connected(const ports::TrafficHello& hello);

    // live_watch.cpp
    Task<void> live_watch(AppContext& app);
    Task<void> probe_live(AppContext& app, std::map<std::string, domain::Watch>& watches);
    Task<void> revive_live(AppContext& app);
    void note_exit(AppContext& app, const Member& member, const ports::RunInfo& info);
    void note_unit(AppContext& app, const domain::UnitChange& change);
    void note_end(AppContext& app, std::string text);
    Task<void> save_event(ports::AddEvent event);
    Task<void> note_health(AppContext& app, std::string health, std::string detail);

    // alerts.cpp
    void add_alerts(std::vector<ports::Write>& batch);
    std::set<std::string> channels_for(const std::string& app, domain::AlertEvent event);
    // `deployment` null: of what is live, or of no app.
    domain::Alert alert_of(domain::AlertEvent told, const domain::EventRecord& event,
                           const domain::Deployment* deployment);
    std::string command_for(const domain::Alert& alert, const AppContext* app) const;
    std::vector<std::string> log_tail_of(const AppContext& app, ReleaseNumber release);
    Task<void> disk_watch();

    // poller.cpp
    Task<void> poller(AppContext& app);
    Task<void> poll_once(AppContext& app);
    Task<void> take_polled(AppContext& app, ports::Tip tip);
    Task<void> take_polled_tag(AppContext& app, ports::Tip tip);
    void note_poll_failure(AppContext& app, std::string error);

    // retention.cpp
    Task<void> housekeeping();
    Task<void> prune_history(Millis keep);
    std::set<ReleaseNumber> needed_releases(const AppContext& app) const;
    Task<Result<std::vector<Removal>>> prune_releases(AppContext& app, bool dry_run);
    Task<void> note_pruned(const std::vector<domain::Release>& rows, ReleaseNumber release);

    // reload.cpp
    ReloadReport take_config(ports::LoadedConfig loaded);
    Task<void> deploy_first(AppContext& app);
    Task<std::vector<std::string>> open_listeners();

    // commands.cpp
    Task<Result<Accepted>> restart_release(AppContext& app, ReleaseNumber release,
                                           domain::Trigger trigger, std::string by, bool hold);
    // Nothing in memory is given up before it is recorded, so that it can be done again.
    Task<Result<void>> remove_known(AppContext& app, bool purge, std::string by);
    Task<Result<Accepted>> answer_gate(DeploymentId id, domain::EventKind kind, std::string note);
    Task<void> end_all();
    Task<void> stop_run(std::string run_id);
    Result<void> ready_for_work() const;
    Result<AppContext*> idle_app(const std::string& name);

    // one_off.cpp
    Task<void> run_one_off(ports::StageJob job,
                           std::function<void(Result<ports::StageOutcome>)> done,
                           async::Cancel cancel);

    // deliveries.cpp
    void read_hook_secrets(AppContext& app);
    AppContext* another_app();
    Match decide(const AppContext& app, const domain::Push& push) const;
    std::string newer_tag_than(const AppContext& app, const std::string& tag) const;
    Task<Result<Match>> duplicate_of(AppContext& app, domain::Change change, std::string digest);
    Task<Result<HookAnswer>> record_repetition(AppContext& app, domain::Delivery delivery,
                                               domain::Delivery earlier);
    Task<Result<HookAnswer>> record(AppContext& app, domain::Delivery delivery,
                                    std::optional<domain::Change> change, domain::Trigger trigger);

    // why.cpp
    Task<Standing> standing_of(std::string app);
    Task<Story> story_of(domain::Deployment deployment);
    Task<std::vector<domain::Deployment>> heirs_of(domain::Deployment deployment);
    Task<Result<Explanation>> explanation(std::vector<domain::Delivery> deliveries,
                                          std::vector<domain::Deployment> deployments);
    Task<Result<Explanation>> unknown(std::string commit);

    StatusSource status_source(const std::string& app);

    AppView view(const AppContext& app) const;
    domain::AppState state_of(const AppContext& app) const;
    std::vector<Secret> mask_of(const AppContext& app) const;
    LogSource unit_log(const AppContext& app) const;

    Services services_;
    Statuses statuses_;
    std::map<std::string, std::unique_ptr<AppContext>> apps_;
    Slots polls_;
    std::int64_t last_deployment_ = 0;
    std::int64_t last_delivery_ = 0;
    SeenDeliveries seen_;
    std::string last_decoy_;  // see another_app()
    bool loaded_ = false;
    TimePoint started_at_{};
    std::string store_problem_;
    std::vector<std::string> listener_problems_;
    std::string server_problem_;
    std::set<std::string> lanes_;  // apps whose tasks run
    std::map<std::string, std::int64_t> proxy_epochs_;
    std::map<std::string, std::string> damaged_;  // by app: why boot() started none of it
    std::map<std::string, async::SteadyTime> restarted_for_health_;
};

}  // namespace belay::engine
