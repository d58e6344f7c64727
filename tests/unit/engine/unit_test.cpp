// Apps with [unit]: the user's systemd service is restarted or reloaded, and watched.
#include "in_place_world.hpp"

#include <gmock/gmock.h>

namespace belay::engine {
namespace {

using domain::Reason;
using domain::State;
using test::commit;
using test::expect_live;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class World : public test::InPlaceWorld {
  public:
    explicit World(domain::AppConfig app = unit_app()) : InPlaceWorld(std::move(app)) {}

    // The journal has this line of the unit, just after what happens now.
    void says(const std::string& line) {
        auto at = (timers.now() + Millis{1}).time_since_epoch();
        machine.journal.emplace_back(
            std::chrono::duration_cast<std::chrono::microseconds>(at).count(), line);
    }
    std::string tail_of(DeploymentId id, const std::string& name) {
        for (const auto& stage : disk->stages.at(id))
            if (stage.name == name) return stage.tail;
        return "no such stage";
    }
    std::vector<std::string> lines_of_log() {
        auto sources = engine->app_logs("shop", "");
        EXPECT_TRUE(sources) << sources.error().message;
        auto text = ask(sources->at(0).journal(sources->at(0).journal_from)->read(0));
        std::vector<std::string> lines;
        std::istringstream stream(*text);
        for (std::string line; std::getline(stream, line);)
            lines.push_back(line);
        return lines;
    }
};

TEST(Unit, IsRestartedAndVerifiedAndWatched) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_THAT(world.machine.acts, ElementsAre("restart 2"));
    EXPECT_THAT(world.machine.stages_run, ElementsAre("build", "test"));
    EXPECT_THAT(world.states_of(id),
                ElementsAre("queued", "fetching", "building", "testing", "sealing", "switching",
                            "verifying", "baking", "healthy"));
    expect_live(world, 2);
    EXPECT_EQ(world.engine->app("shop")->live->health, "healthy");
}

TEST(Unit, IsReloadedWhereItsActionSaysSoAndStartedWhereItDoesNotRun) {
    World world(World::unit_app("reload"));
    world.start();
    world.run_until([&] { return !world.disk->deployments.empty(); });
    ASSERT_EQ(world.end_of(world.newest().id).state, State::healthy);
    EXPECT_THAT(world.machine.acts, ElementsAre("restart 1"));
    world.machine.acts.clear();
    const auto process = world.machine.unit.main_pid;
    EXPECT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    EXPECT_THAT(world.machine.acts, ElementsAre("reload 2"));
    EXPECT_EQ(world.machine.unit.main_pid, process);
    expect_live(world, 2);
}

TEST(Unit, GoesBackWhereItDoesNotComeUp) {
    World world;
    world.start_with_first_release();
    world.machine.unstartable_commits = {commit('b')};
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::switching));
    world.says("cannot find its database");
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::start_failed);
    EXPECT_EQ(end.failure.stage, "switching");
    EXPECT_EQ(end.failure.exit_code, 1);
    EXPECT_THAT(end.failure.detail, HasSubstr("shop.service exited with code 1"));
    EXPECT_THAT(world.tail_of(id, "unit"), HasSubstr("cannot find its database"));
    EXPECT_THAT(world.machine.acts, ElementsAre("restart 2", "restart 1"));
    expect_live(world, 1);
}

TEST(Unit, GoesBackWhereItEndsBeforeItIsHealthy) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::verifying));
    world.says("out of cheese");
    world.units->crash(3);
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::exited);
    EXPECT_EQ(end.failure.stage, "verifying");
    EXPECT_EQ(end.failure.exit_code, 3);
    EXPECT_THAT(end.failure.detail, HasSubstr("exited with code 3, before it was healthy"));
    EXPECT_THAT(world.tail_of(id, "verify"), HasSubstr("out of cheese"));
    expect_live(world, 1);
}

TEST(Unit, GoesBackWhereItEndsInItsBake) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.says("out of cheese");
    world.units->crash(4);
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::exited);
    EXPECT_EQ(end.failure.stage, "baking");
    EXPECT_EQ(end.failure.exit_code, 4);
    EXPECT_THAT(world.tail_of(id, "bake"), HasSubstr("out of cheese"));
    expect_live(world, 1);
}

TEST(Unit, GoesBackWhereSystemdHadToRestartIt) {
    for (auto state : {State::verifying, State::baking}) {
        World world;
        world.start_with_first_release();
        auto id = world.push('b').deployment;
        ASSERT_TRUE(world.reaches(id, state));
        // By now it is watched; that it answers all the time does not help it.
        auto seen = world.timers.steady_now() + Millis{2'000};
        world.run_until([&] { return world.timers.steady_now() >= seen; });
        world.units->crash_and_come_back();
        auto end = world.end_of(id);
        EXPECT_EQ(end.state, State::rolled_back);
        EXPECT_EQ(end.failure.reason, Reason::flapping) << end.failure.detail;
        EXPECT_EQ(end.failure.stage, to_string(state));
        expect_live(world, 1);
    }
}

// Nothing tells of it: it is seen by looking.
TEST(Unit, IsLookedAtWhereSystemdTellsOfNothing) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    auto seen = world.timers.steady_now() + Millis{2'000};
    world.run_until([&] { return world.timers.steady_now() >= seen; });
    ++world.machine.unit.restarts;
    EXPECT_EQ(world.end_of(id).failure.reason, Reason::flapping);
    expect_live(world, 1);
}

TEST(Unit, AnotherMainProcessHasToProveItselfAnew) {
    const auto& health = World::unit_app().health;
    for (bool by_hand : {true, false}) {
        World world;
        world.start_with_first_release();
        auto id = world.push('b').deployment;
        auto renew = [&](State state, Millis after) {
            ASSERT_TRUE(world.reaches(id, state));
            auto then = world.timers.steady_now() + after;
            ASSERT_TRUE(world.run_until([&] { return world.timers.steady_now() >= then; }));
            ASSERT_EQ(world.deployment(id).state, state);
            by_hand ? world.units->restart_by_hand() : world.units->hand_over();
        };
        renew(State::verifying, health.min_healthy_time - Millis{1'500});
        auto renewed = world.timers.steady_now();
        ASSERT_TRUE(world.reaches(id, State::baking));
        EXPECT_GE(world.timers.steady_now() - renewed, health.min_healthy_time);
        const auto bake = World::unit_app().traffic.bake;
        renew(State::baking, bake - Millis{1'500});
        renewed = world.timers.steady_now();
        EXPECT_EQ(world.end_of(id).state, State::healthy);
        EXPECT_GE(world.timers.steady_now() - renewed, bake);
        expect_live(world, 2);
    }
}

TEST(Unit, WithoutAHealthCheckItHasToStayActive) {
    auto app = World::unit_app();
    app.health.url.clear();
    app.health.type = "none";
    World world(app);
    world.start_with_first_release();
    ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    EXPECT_EQ(world.engine->app("shop")->live->health, "unverified");
    world.units->crash(1);
    EXPECT_TRUE(world.run_until(
        [&] { return world.engine->app("shop")->live->health == "unhealthy"; }, Millis{120'000}));
}

TEST(Unit, OneThatCannotBeActedOnFailsBeforeAnythingIsTouched) {
    struct Case {
        const char* load;
        const char* action;
        std::optional<Error> refusal;
        std::optional<Error> systemd;
        const char* said;
    };
    const Case cases[] = {
        {"not-found", "restart", {}, {}, "systemd knows no shop.service"},
        {"masked", "restart", {}, {}, "shop.service is masked"},
        {"loaded", "reload", {}, {}, "ExecReload="},
        {"loaded",
         "restart",
         Error{Errc::forbidden, "belay unit allow shop.service"},
         {},
         "belay unit allow shop.service"},
        {"loaded",
         "restart",
         {},
         Error{Errc::unavailable, "systemd does not run"},
         "systemd does not run"},
    };
    for (const auto& one : cases) {
        World world(World::unit_app(one.action));
        world.start_with_first_release();
        world.machine.unit.load = one.load;
        world.machine.unit.can_reload = false;
        world.machine.unit_refusal = one.refusal;
        world.machine.systemd_error = one.systemd;
        auto id = world.push('b').deployment;
        auto end = world.end_of(id);
        EXPECT_EQ(end.state, State::failed) << one.said;
        EXPECT_EQ(end.failure.reason, Reason::config_invalid) << one.said;
        EXPECT_THAT(end.failure.detail, HasSubstr(one.said));
        EXPECT_THAT(world.machine.acts, IsEmpty()) << one.said;
        EXPECT_FALSE(world.disk->apps.at("shop").hold) << one.said;
        auto refused = world.ask(world.engine->restart("shop", "ada"));
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().message, HasSubstr(one.said));
        expect_live(world, 1, one.said);
        world.machine.unit.load = "loaded";
        world.machine.unit.can_reload = true;
        world.machine.unit_refusal.reset();
        world.machine.systemd_error.reset();
        EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy) << one.said;
    }
}

// One that does not exist is known before half an hour of building; one that may not be acted on
// only when there is something to act for.
TEST(Unit, OneThatDoesNotExistIsKnownBeforeTheBuild) {
    World world;
    world.start_with_first_release();
    world.machine.unit.load = "not-found";
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.failure.stage, "fetching");
    EXPECT_THAT(world.machine.stages_run, IsEmpty());
}

TEST(Unit, ABusThatIsAwayWhileItIsWatchedIsNoVerdict) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.machine.systemd_error = Error{Errc::unavailable, "the message bus went away"};
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    expect_live(world, 2);
}

TEST(Unit, APersonIsCalledWhereTheReleaseBeforeDoesNotComeUpEither) {
    World world;
    world.start_with_first_release();
    world.machine.unstartable_commits = {commit('a'), commit('b')};
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::rollback_failed);
    EXPECT_EQ(world.machine.current, 1);
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
}

TEST(Unit, AFirstReleaseThatFailsLeavesNoCurrent) {
    World world;
    world.machine.sick_commits = {commit('a')};
    world.start();
    world.run_until([&] { return !world.disk->deployments.empty(); });
    EXPECT_EQ(world.end_of(world.newest().id).state, State::failed);
    EXPECT_EQ(world.machine.current, 0);
    EXPECT_FALSE(world.machine.live);
}

TEST(Unit, RestartsAndRollsBackByHandWithTheSameActAndIsStoppedElsewhere) {
    World world;
    world.start_with_first_release();
    ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    world.machine.acts.clear();
    auto restarted = world.ask(world.engine->restart("shop", "ada"));
    ASSERT_TRUE(restarted);
    EXPECT_EQ(world.end_of(restarted->deployment).state, State::healthy);
    auto back = world.ask(world.engine->rollback("shop", {}));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(world.end_of(back->deployment).state, State::healthy);
    EXPECT_THAT(world.machine.acts, ElementsAre("restart 2", "restart 1"));
    expect_live(world, 1);
    auto stopped = world.ask(world.engine->stop("shop", "ada"));
    ASSERT_FALSE(stopped);
    EXPECT_THAT(stopped.error().message, HasSubstr("systemctl stop shop.service"));
}

TEST(Unit, NothingIsDoneAtAStartOfTheDaemonNorOfTheMachine) {
    World world;
    world.start_with_first_release();
    world.kill();
    world.start();
    EXPECT_THAT(world.machine.acts, IsEmpty());
    expect_live(world, 1);
    world.run_until([&] { return world.engine->app("shop")->live->health == "healthy"; },
                    Millis{60'000});
    EXPECT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
}

TEST(Unit, ItsLogIsItsJournalSinceTheReleaseWentLive) {
    World world;
    world.start_with_first_release();
    world.says("of the first");
    EXPECT_THAT(world.lines_of_log(), ElementsAre("of the first"));
    auto later = world.timers.steady_now() + Millis{5};
    world.run_until([&] { return world.timers.steady_now() >= later; });
    auto id = world.push('b').deployment;
    ASSERT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_THAT(world.lines_of_log(), IsEmpty());
    world.says("of the second");
    EXPECT_THAT(world.lines_of_log(), ElementsAre("of the second"));
    EXPECT_FALSE(world.engine->app_logs("shop", "web"));
}

// Watched beyond the bake: the record says when it ended, also where systemd mends it at once.
TEST(Unit, ItsEndsWhileItIsLiveAreRecorded) {
    World world;
    world.start_with_first_release();
    auto seen = world.timers.steady_now() + Millis{30'000};
    world.run_until([&] { return world.timers.steady_now() >= seen; });
    world.units->crash_and_come_back();
    EXPECT_TRUE(world.run_until(
        [&] {
            return std::any_of(world.disk->events.begin(), world.disk->events.end(),
                               [](const auto& entry) { return entry.second.state == "exited"; });
        },
        Millis{60'000}));
}

struct Kind {
    const char* name;
    char letter;  // b: good, s: sick, x: ends in its bake, f: does not come up
    State end;
    ReleaseNumber live;
};

// Runs one deployment that is cut off at its n-th commit; false when it had fewer.
bool cut_off(const Kind& kind, bool before, int n) {
    const auto where =
        std::string(kind.name) + (before ? " before " : " after ") + "commit " + std::to_string(n);
    World world;
    world.start_with_first_release();
    if (kind.letter == 's') world.machine.sick_commits.insert(commit('s'));
    if (kind.letter == 'f') world.machine.unstartable_commits.insert(commit('f'));
    auto id = world.push(kind.letter).deployment;
    before ? world.store->stop_before_commit(n) : world.store->stop_after_commit(n);
    bool crashed = false;
    auto over = [&] {
        if (kind.letter == 'x' && !crashed && world.deployment(id).state == State::baking) {
            crashed = true;
            world.units->crash(1);
        }
        return domain::is_end(world.deployment(id).state) && world.settled();
    };
    world.run_until([&] { return world.store->stopped() || over(); });
    if (!world.store->stopped()) return false;
    world.kill();
    world.start();
    EXPECT_TRUE(world.run_until(over))
        << where << ": stays " << to_string(world.deployment(id).state);
    EXPECT_EQ(to_string(world.deployment(id).state), to_string(kind.end)) << where;
    expect_live(world, kind.live, where);
    EXPECT_TRUE(world.machine.unit.up()) << where;
    return true;
}

class UnitCrashAtEveryCommit : public ::testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(UnitCrashAtEveryCommit, ComesToTheEndThatItWouldHaveComeTo) {
    static const Kind kinds[] = {{"a good push", 'b', State::healthy, 2},
                                 {"a sick push", 's', State::rolled_back, 1},
                                 {"a push that ends in its bake", 'x', State::rolled_back, 1},
                                 {"a push that does not come up", 'f', State::rolled_back, 1}};
    auto [kind, before] = GetParam();
    int n = 1;
    while (cut_off(kinds[kind], before, n)) {
        ASSERT_FALSE(HasFailure());
        ASSERT_LT(++n, 200);
    }
    EXPECT_GT(n, 8) << "a deployment saves more often than that";
}

INSTANTIATE_TEST_SUITE_P(All, UnitCrashAtEveryCommit,
                         ::testing::Combine(::testing::Values(0, 1, 2, 3), ::testing::Bool()));

}  // namespace
}  // namespace belay::engine
