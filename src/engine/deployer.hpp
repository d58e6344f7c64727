// Drives one deployment: save the intent, perform the effect, turn its outcome into an event, ask
// the state machine what is next.
#pragma once

#include "environment.hpp"
#include "rules.hpp"
#include "services.hpp"
#include "unit_watch.hpp"

namespace belay::engine {

// How long a deployment waits for approval before it is canceled.
inline constexpr Millis kApprovalWaits{7LL * 24 * 3'600'000};

// Loop thread only. One per deployment; `app.active` is set by the caller and outlives it.
class Deployer {
  public:
    Deployer(Services& services, AppContext& app);

    // From the effect that the present state asks for to the end of the deployment.
    Task<void> run(domain::Effect effect);
    // Ends a deployment that can't even begin.
    Task<void> give_up(domain::Reason reason, std::string detail);

  private:
    using Event = domain::Event;
    using Kind = domain::EventKind;

    // deployer.cpp: the loop, and what each transition saves.
    bool outranks(const Event& asked);
    Task<Event> perform(domain::Effect effect);
    Task<std::optional<Event>> advance(domain::Transition transition);
    Task<void> finish(domain::Transition transition);
    Task<void> make_room(ReleaseNumber unsealed);
    Task<std::optional<domain::Delivery>> decision_of_delivery(domain::Deployment ended);
    void reserve_epochs(domain::Deployment& next);
    // What make_live() changes, for where that could not be saved.
    struct LiveFacts {
        domain::App record;
        domain::Release live;
        domain::Release fallback;
        domain::Release own;
        std::string health;
    };
    LiveFacts facts_of_live() const;
    void restore(LiveFacts facts);
    void make_live(std::vector<ports::Write>& writes);
    std::vector<ports::Write> writes_of(const domain::Deployment& next, std::string text);
    std::string sentence(const domain::Deployment& next) const;

    // deployer_build.cpp: from the repository to the sealed release.
    Task<Event> fetch();
    Task<Event> build();
    Task<Event> test();
    Task<Event> seal();
    Task<Event> release_command();
    Task<Event> wait_for_approval();
    Task<Event> fetch_and_export();
    Task<Event> export_files(domain::AppUsers users, std::string logs);
    Task<std::optional<Event>> run_steps(std::vector<domain::Step> steps, std::string kind);
    Task<Event> run_stage(ports::StageJob job, std::string kind);
    Task<Event> seal_release();
    Task<Result<EnvironmentFacts>> facts(bool run_time);
    domain::Manifest manifest_of(const domain::AppConfig& config,
                                 const domain::AppUsers& users) const;

    // deployer_rules.cpp: which commit it is about, and whether that is to be deployed. None: go
    // on.
    ports::Wanted wanted() const;
    Task<std::optional<Event>> fetch_and_judge(ports::FetchJob job);
    Task<ports::SourceResult<ports::Fetched>> fetch_with_retries(ports::FetchJob job);
    Task<std::optional<Event>> judge_unavailable(ports::FetchJob job);
    Task<Event> fetch_failed(ports::SourceError error);
    Task<void> remember_tip(const ports::Fetched& fetched);
    Task<std::optional<Event>> judge_tip(const ports::Fetched& fetched);
    domain::Deployment tip_of(const ports::Fetched& fetched) const;
    Task<Event> give_way_to(const ports::Fetched& tip);
    Task<std::optional<domain::Deployment>> dealt_with(std::string commit);
    Task<std::optional<Event>> judge_history();
    std::string judge_tag(const std::string& tag, const ports::Fetched& fetched) const;
    Task<std::optional<Event>> judge_rules(const ports::Fetched& fetched);
    Task<std::optional<Event>> judge_paths();
    Task<Result<void>> find_displaced();
    bool ruled() const { return follows_rules(app_.active->deployment) && !displaced_by_hand_; }
    Event superseded(domain::Rule rule, std::string detail) const;
    Event not_deployed(domain::Rule rule, std::string detail) const;

    // deployer_verify.cpp: from the sealed release to a candidate that is healthy.
    Task<Event> start();
    Task<boost::system::result<domain::Manifest, Event>> intact_manifest();
    Task<Event> start_candidate();
    Task<Event> verify();
    Task<Event> verify_set(RunSetPtr set);
    // What became, meanwhile, of processes that are not Belay's.
    struct Outside {
        std::optional<domain::Failure> ended;
        bool renewed = false;
        async::Event changed;

        void note(const domain::UnitChange& change);
    };
    Task<Event> judge_set(RunSetPtr set, Outside& outside);
    Task<Result<bool>> check_owner(RunSetPtr set, std::size_t index, bool& gone);
    Task<std::optional<Event>> check_stranger(RunSetPtr set, std::size_t index);
    Task<Event> overdue(RunSetPtr set, std::size_t index, std::string last_error);

    // deployer_live.cpp: from the switch to the end of the bake, and the ways back.
    Task<Event> switch_traffic();
    Task<Event> flip_to_candidate();
    Task<std::optional<Event>> change_exclusive(RunSetPtr candidate);
    Task<void> revert_switch();
    Task<Event> drain();
    Task<Event> bake();
    Event tripped_or_asked() const;
    Event left(Event event);
    void close_bake();
    void close_switch_stage();
    Task<Event> roll_back();
    Task<Result<void>> flip_back();
    void put_back(RunSetPtr old);
    Task<void> close_way_back();
    Task<void> settle_live();
    Task<void> promote();
    Task<void> discard();
    Task<void> take_down();
    void watch_from_now();
    Task<void> stop_watching();
    Task<bool> undisturbed_until(async::Event& done);
    Task<Result<bool>> probe_through_proxy();

    // deployer_in_place.cpp: the same for a release that takes the place of the one before.
    Task<Event> switch_in_place();
    Task<Event> roll_back_in_place();
    Task<std::optional<Event>> point_current(RunSetPtr set);
    Task<Event> bring_up(RunSetPtr set, std::string stage);
    Task<Event> run_command(RunSetPtr set, std::string stage);
    Task<Event> act_on_unit(RunSetPtr set, std::string stage);
    Task<std::optional<Event>> unit_problem(Ask ask);

    // Stage rows: nothing is decided by them, so nothing waits for them. They go with the next
    // transition, or by themselves when that is not at once.
    void open_stage(std::string name);
    void close_stage(domain::Stage stage);
    // The work as a stage of that name, which fails with it.
    Task<Event> as_stage(std::string name, Task<Event> work);
    void save_soon(domain::Stage stage, std::string text);
    domain::Stage stage_row(std::string name) const;

    Event failed(domain::Reason reason, std::string detail) const;
    void note_probe(domain::Probe probe);
    ports::AddProbes take_probes();
    domain::Deployment& deployment() { return app_.active->deployment; }
    Active& active() { return *app_.active; }
    World& world() { return services_.world; }

    Services& services_;
    AppContext& app_;
    std::map<std::string, TimePoint> opened_;  // stage -> when
    std::optional<domain::Stage> switch_stage_;
    std::optional<Event> bake_end_;  // why the bake ended before its time
    std::string bake_tail_;          // what its unit wrote before that
    // Of those that this one superseded before they went live: their wishes are carried on.
    std::vector<std::string> displaced_commits_;
    bool displaced_by_hand_ = false;
};

}  // namespace belay::engine
