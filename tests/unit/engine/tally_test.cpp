// What the engine counts, of whole deployments on the fake machine.
#include "engine/tally.hpp"

#include "engine_world.hpp"

namespace belay::engine {
namespace {

using domain::Decision;
using domain::Reason;
using domain::State;
using test::commit;
using test::EngineWorld;

AppFigures shop(EngineWorld& world) {
    return world.engine->figures().apps["shop"];
}

std::uint64_t ended(EngineWorld& world, State state) {
    return shop(world).ended[static_cast<std::size_t>(state)];
}

std::uint64_t failures(EngineWorld& world, Reason reason) {
    return world.engine->figures().failures[static_cast<std::size_t>(reason)];
}

std::uint64_t count(const Histogram& histogram) {
    std::uint64_t all = 0;
    for (auto one : histogram.counts)
        all += one;
    return all;
}

TEST(Tally, CountsEachDeploymentOnceByItsEnd) {
    EngineWorld world;
    world.start_live();
    EXPECT_EQ(ended(world, State::healthy), 1u);
    ports::StageOutcome failed;
    failed.exit_code = 2;
    world.machine.outcomes["test"] = failed;
    world.end_of(world.push('b').deployment);
    world.machine.outcomes.clear();
    auto id = world.push('c').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    EXPECT_EQ(ended(world, State::healthy), 1u) << "a switch is no end";
    world.runtime->crash(3, 7);
    world.end_of(id);
    EXPECT_EQ(ended(world, State::healthy), 1u);
    EXPECT_EQ(ended(world, State::failed), 1u);
    EXPECT_EQ(ended(world, State::rolled_back), 1u);
    EXPECT_EQ(failures(world, Reason::test_failed), 1u);
    EXPECT_EQ(failures(world, Reason::exited), 1u);
    EXPECT_EQ(failures(world, Reason::none), 0u);
    EXPECT_EQ(ended(world, State::superseded), 0u);
}

TEST(Tally, TimesEachStageAndTheWayToTheSwitch) {
    EngineWorld world;
    world.start_live();
    const auto figures = shop(world);
    for (const char* stage :
         {"fetch", "build", "test", "seal", "start", "verify", "switch", "bake"}) {
        ASSERT_TRUE(figures.stages.contains(stage)) << stage;
        EXPECT_EQ(count(figures.stages.at(stage)), 1u) << stage;
    }
    EXPECT_GE(figures.stages.at("bake").sum, 119.0) << "the bake is two minutes";
    EXPECT_EQ(count(figures.lead_time), 1u);
    EXPECT_GT(figures.lead_time.sum, 9.0) << "ten seconds of health come before the switch";
    EXPECT_LT(figures.lead_time.sum, 119.0) << "the bake is behind the switch";
}

TEST(Tally, CountsDeliveriesAsTheyWereAnswered) {
    EngineWorld world;
    world.start_live();
    auto push = world.push_of('b');
    world.machine.commit_to_main(commit('b'));
    auto first = world.deliver(push);
    world.deliver(push);  // the forge sends it again
    world.end_of(first.deployment);
    domain::Change elsewhere;
    elsewhere.ref = "refs/heads/other";
    elsewhere.name = "other";
    elsewhere.after = elsewhere.commit = commit('d');
    world.deliver(world.push_of(elsewhere));
    std::optional<bool> refused;
    boost::asio::co_spawn(*world.loop,
                          world.engine->record_refusal("shop", "github", 401, "not signed"),
                          [&refused](std::exception_ptr) { refused = true; });
    world.run_until([&] { return refused.has_value(); });
    auto deliveries = shop(world).deliveries;
    EXPECT_EQ(deliveries[Decision::queued], 1u);
    EXPECT_EQ(deliveries[Decision::duplicate], 1u);
    EXPECT_EQ(deliveries[Decision::ignored], 1u);
    EXPECT_EQ(deliveries[Decision::rejected], 1u);
}

TEST(Tally, CountsProbesOfCandidatesAndOfWhatIsLive) {
    EngineWorld world;
    world.start_live();
    const auto before = shop(world);
    EXPECT_GT(before.probes_passed, 0u);
    world.machine.sick_commits = {commit('a')};
    world.run_until([&] { return shop(world).probes_failed > before.probes_failed; });
    EXPECT_GT(shop(world).probes_failed, before.probes_failed);
}

TEST(Tally, CountsNothingThatIsNotDurable) {
    EngineWorld world;
    world.start_live();
    const auto before = shop(world).deliveries;
    world.store->fail_all_commits(Error{Errc::disk_full, "no room"});
    world.machine.commit_to_main(commit('b'));
    auto answer = world.ask(world.engine->submit("shop", "github", world.push_of('b'), "digest"));
    EXPECT_EQ(answer.error().code, Errc::disk_full);
    EXPECT_EQ(shop(world).deliveries, before);
}

TEST(Tally, ForgetsAnAppThatIsRemoved) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.engine->figures().apps.contains("shop"));
    world.config.apps.clear();
    ASSERT_TRUE(world.ask(world.engine->reload()));
    ASSERT_TRUE(world.ask(world.engine->remove("shop", false, "ann")));
    EXPECT_FALSE(world.engine->figures().apps.contains("shop"));
}

// Rows that are written again say nothing new.
TEST(Counts, AreOfBatchesWithAnEventOfTheirOwn) {
    domain::Deployment deployment;
    deployment.id = DeploymentId{7};
    deployment.app = "shop";
    deployment.state = State::failed;
    std::vector<ports::Write> batch;
    batch.emplace_back(ports::PutDeployment{deployment});
    EXPECT_TRUE(counts_of(batch).empty());
    domain::EventRecord event;
    event.type = "deployment";
    event.app = "shop";
    event.deployment = deployment.id;
    batch.emplace_back(ports::AddEvent{event});
    EXPECT_EQ(counts_of(batch).size(), 1u);
}

TEST(Counts, TakeTheStepsOfOneKindTogetherAndLeaveOutTheCanceled) {
    domain::EventRecord event;
    event.type = "deployment";
    event.app = "shop";
    event.deployment = DeploymentId{7};
    domain::Stage stage;
    stage.deployment = event.deployment;
    stage.name = "build-2";
    stage.state = domain::StageState::running;
    auto counted = [&] { return counts_of({ports::PutStage{stage}, ports::AddEvent{event}}); };
    EXPECT_TRUE(counted().empty()) << "it has only begun";
    stage.finished_at = stage.started_at + Millis{1'500};
    stage.state = domain::StageState::canceled;
    EXPECT_TRUE(counted().empty());
    stage.state = domain::StageState::failed;
    ASSERT_EQ(counted().size(), 1u);
    const auto ended = std::get<StageEnded>(counted()[0]);
    EXPECT_EQ(ended.name, "build");
    EXPECT_DOUBLE_EQ(ended.seconds, 1.5);
}

}  // namespace
}  // namespace belay::engine
