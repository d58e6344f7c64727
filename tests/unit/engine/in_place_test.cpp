// Apps with [command]: one release takes the place of the other (docs/states.md).
#include "in_place_world.hpp"

namespace belay::engine {
namespace {

using domain::Reason;
using domain::State;
using test::commit;
using test::expect_live;
using World = test::InPlaceWorld;

using Stages = std::vector<std::string>;

TEST(InPlace, FlipsAndRunsTheCommandAndVerifiesWhatItMadeLive) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_EQ(world.machine.stages_run, (Stages{"build", "test", "command"}));
    EXPECT_EQ(world.states_of(id), (Stages{"queued", "fetching", "building", "testing", "sealing",
                                           "switching", "verifying", "baking", "healthy"}));
    expect_live(world, 2);
    EXPECT_EQ(world.engine->app("shop")->state, domain::AppState::live);
    EXPECT_EQ(world.disk->releases.at({"shop", 1}).state, domain::ReleaseState::retired);
}

TEST(InPlace, GoesBackWhereTheReleaseIsNotHealthyAndVerifiesWhatItBroughtBack) {
    World world;
    world.start_with_first_release();
    world.machine.sick_commits = {commit('b')};
    auto id = world.push('b').deployment;
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::deadline);
    EXPECT_EQ(end.failure.stage, "verifying");
    EXPECT_EQ(world.machine.stages_run, (Stages{"build", "test", "command", "rollback"}));
    expect_live(world, 1);
    EXPECT_EQ(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::bad);
    EXPECT_FALSE(world.disk->apps.at("shop").hold);
}

TEST(InPlace, GoesBackWhereTheCommandFails) {
    World world;
    world.start_with_first_release();
    world.fail("command", 3);
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::start_failed);
    EXPECT_EQ(end.failure.stage, "switching");
    EXPECT_EQ(end.failure.exit_code, 3);
    EXPECT_EQ(world.machine.stages_run.back(), "rollback") << "it may have done half of its work";
    expect_live(world, 1);
}

TEST(InPlace, GoesBackWhereItFallsIllInItsBake) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    EXPECT_EQ(world.machine.live->stable->number, 1);
    world.machine.sick_commits = {commit('b')};
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::unhealthy);
    expect_live(world, 1);
}

TEST(InPlace, AFirstReleaseThatFailsLeavesNoCurrent) {
    World world;
    world.machine.sick_commits = {commit('a')};
    world.start();
    world.run_until([&] { return !world.disk->deployments.empty(); });
    auto end = world.end_of(world.newest().id);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::deadline);
    EXPECT_EQ(world.machine.current, 0);
    EXPECT_FALSE(world.machine.live);
    EXPECT_EQ(world.disk->apps.at("shop").live, 0);
    EXPECT_EQ(world.engine->app("shop")->state, domain::AppState::none);
}

TEST(InPlace, APersonIsCalledWhereTheWayBackFailsToo) {
    World world;
    world.start_with_first_release();
    world.machine.sick_commits = {commit('b')};
    world.fail("rollback", 5);
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::rollback_failed);
    EXPECT_NE(end.failure.detail.find("exit code 5"), std::string::npos) << end.failure.detail;
    EXPECT_NE(end.failure.detail.find("deadline"), std::string::npos) << end.failure.detail;
    EXPECT_EQ(world.machine.current, 1) << "what was healthy once, whatever came of the command";
    EXPECT_EQ(world.disk->apps.at("shop").live, 1);
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
    EXPECT_EQ(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::bad);
}

TEST(InPlace, TheWayBackHasFailedWhereTheReleaseBeforeDoesNotAnswerEither) {
    World world;
    world.start_with_first_release();
    world.machine.sick_commits = {commit('a'), commit('b')};
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::rollback_failed);
    EXPECT_EQ(world.machine.current, 1);
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
}

TEST(InPlace, ANewerPushWaitsFromTheFlipOn) {
    World world;
    world.start_with_first_release();
    auto first = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(first, State::verifying));
    auto second = world.push('c').deployment;
    EXPECT_EQ(world.end_of(first).state, State::healthy);
    EXPECT_EQ(world.end_of(second).state, State::healthy);
    expect_live(world, 3);
}

TEST(InPlace, CancelingBringsTheReleaseBeforeBackButNotInTheMiddleOfTheCommand) {
    World world;
    world.start_with_first_release();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::switching));
    auto refused = world.ask(world.engine->cancel(id, "ada"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    ASSERT_TRUE(world.reaches(id, State::verifying));
    ASSERT_TRUE(world.ask(world.engine->cancel(id, "ada")));
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::canceled);
    expect_live(world, 1);
    EXPECT_EQ(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::retired);
}

TEST(InPlace, RestartsAndRollsBackByHandWithTheSameAct) {
    World world;
    world.start_with_first_release();
    auto restarted = world.ask(world.engine->restart("shop", "ada"));
    ASSERT_TRUE(restarted);
    EXPECT_EQ(world.end_of(restarted->deployment).state, State::healthy);
    EXPECT_EQ(world.machine.stages_run, (Stages{"command"}));
    expect_live(world, 1);
    ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    world.machine.stages_run.clear();
    auto back = world.ask(world.engine->rollback("shop", {}));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(world.end_of(back->deployment).state, State::healthy);
    EXPECT_EQ(world.machine.stages_run, (Stages{"command"})) << "nothing is built again";
    expect_live(world, 1);
    auto stopped = world.ask(world.engine->stop("shop", "ada"));
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().message.find("[command]"), std::string::npos);
}

TEST(InPlace, ADiskThatIsFullAfterTheFlipKeepsNobodyOnAnUnprovenRelease) {
    World world;
    world.start_with_first_release();
    world.store->before_commit = [&](const std::vector<ports::Write>& batch) {
        if (test::saves(batch, State::verifying))
            world.store->fail_commit(0, Error{Errc::disk_full, "no space left"});
    };
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::disk_full);
    expect_live(world, 1);
}

TEST(InPlace, AFlipThatCouldNotBeRecordedIsNotMade) {
    World world;
    world.start_with_first_release();
    world.store->before_commit = [&](const std::vector<ports::Write>& batch) {
        if (test::saves(batch, State::switching))
            world.store->fail_commit(0, Error{Errc::disk_full, "no space left"});
    };
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::disk_full);
    EXPECT_EQ(world.machine.stages_run, (Stages{"build", "test"}));
    expect_live(world, 1);
}

TEST(InPlace, NeitherKindTakesOverFromTheOther) {
    World world;
    world.start_with_first_release();
    world.config.apps = {World::app_config()};
    ASSERT_TRUE(world.ask(world.engine->reload()));
    auto answer = world.push('b');
    EXPECT_EQ(answer.status_code, 200);
    EXPECT_NE(answer.reason.find("is live as a [command], and its file says [service]"),
              std::string::npos)
        << answer.reason;
    expect_live(world, 1);
}

TEST(InPlace, NothingIsRunAtAStartOfTheDaemonNorOfTheMachine) {
    for (bool reboot : {false, true}) {
        World world;
        world.start_with_first_release();
        world.kill();
        if (reboot) world.machine.reboot();
        world.start();
        EXPECT_TRUE(world.machine.stages_run.empty());
        expect_live(world, 1);
        world.run_until([&] { return world.engine->app("shop")->live->health == "healthy"; },
                        Millis{60'000});
        EXPECT_EQ(world.engine->app("shop")->live->health, "healthy");
        EXPECT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    }
}

struct Kind {
    const char* name;
    char letter;  // b: good, s: sick, x: falls ill in its bake, f: its command fails
    State end;
    ReleaseNumber live;
};

// Runs one deployment that is cut off at its n-th commit; false when it had fewer.
bool cut_off(const Kind& kind, bool before, int n, bool reboot) {
    const auto where = std::string(kind.name) + (before ? " before " : " after ") + "commit " +
                       std::to_string(n) + (reboot ? ", rebooted" : "");
    World world;
    world.start_with_first_release();
    if (kind.letter == 's') world.machine.sick_commits.insert(commit('s'));
    if (kind.letter == 'f') world.fail("command", 1);
    auto id = world.push(kind.letter).deployment;
    before ? world.store->stop_before_commit(n) : world.store->stop_after_commit(n);
    auto step = [&](State now) {
        if (kind.letter == 'x' && now == State::baking)
            world.machine.sick_commits.insert(commit('x'));
    };
    auto over = [&] {
        step(world.deployment(id).state);
        return domain::is_end(world.deployment(id).state) && world.settled();
    };
    world.run_until([&] { return world.store->stopped() || over(); });
    if (!world.store->stopped()) return false;
    world.kill();
    if (reboot) world.machine.reboot();
    world.start();
    EXPECT_TRUE(world.run_until(over))
        << where << ": stays " << to_string(world.deployment(id).state);
    EXPECT_EQ(to_string(world.deployment(id).state), to_string(kind.end)) << where;
    expect_live(world, kind.live, where);
    return true;
}

class InPlaceCrashAtEveryCommit : public ::testing::TestWithParam<std::tuple<int, bool, bool>> {};

TEST_P(InPlaceCrashAtEveryCommit, ComesToTheEndThatItWouldHaveComeTo) {
    static const Kind kinds[] = {{"a good push", 'b', State::healthy, 2},
                                 {"a sick push", 's', State::rolled_back, 1},
                                 {"a push that falls ill in its bake", 'x', State::rolled_back, 1},
                                 {"a push whose command fails", 'f', State::rolled_back, 1}};
    auto [kind, before, reboot] = GetParam();
    int n = 1;
    while (cut_off(kinds[kind], before, n, reboot)) {
        ASSERT_FALSE(HasFailure());
        ASSERT_LT(++n, 200);
    }
    EXPECT_GT(n, 8) << "a deployment saves more often than that";
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<int, bool, bool>>& info) {
    static const char* const pushes[] = {"GoodPush", "SickPush", "PushThatFallsIllInItsBake",
                                         "PushWhoseCommandFails"};
    auto [kind, before, reboot] = info.param;
    return std::string(pushes[kind]) + (before ? "BeforeCommit" : "AfterCommit") +
           (reboot ? "Rebooted" : "");
}

INSTANTIATE_TEST_SUITE_P(All, InPlaceCrashAtEveryCommit,
                         ::testing::Combine(::testing::Values(0, 1, 2, 3), ::testing::Bool(),
                                            ::testing::Bool()),
                         name_of);

}  // namespace
}  // namespace belay::engine
