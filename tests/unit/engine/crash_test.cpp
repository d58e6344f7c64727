// The daemon dies at every saved step in turn, and starts again: on the same disk, beside the same
// processes, or after a reboot.
#include "engine_world.hpp"

namespace belay::engine {
namespace {

using domain::State;
using test::commit;
using test::EngineWorld;

enum class Death { before, after };
// Who keeps the processes: shims, which end with the machine, or units, of which it starts the
// stable release's by itself.
enum class Keeper { shims, units };

void keep_in(EngineWorld& world, Keeper keeper) {
    if (keeper == Keeper::units) world.config.apps[0].processes[0].runtime = "systemd";
}

struct Kind {
    const char* name;
    char
        letter;  // b: good, s: sick, x: dies in its bake; r: no push, but a restart of what is live
    State end;
};

// Exactly one release serves, it is one that proved healthy (or is being watched), and nothing else
// is left running.
void expect_whole(EngineWorld& world, const std::string& where) {
    ASSERT_TRUE(world.machine.answers()) << where;
    auto served = world.machine.served();
    EXPECT_EQ(world.disk->apps.at("shop").live, served) << where;
    EXPECT_EQ(world.machine.live->live->number, served) << where;
    EXPECT_EQ(world.machine.live->stable->number, served) << where;
    EXPECT_EQ(world.machine.current, served) << where;
    EXPECT_EQ(world.machine.running(), std::vector<ReleaseNumber>{served}) << where;
    EXPECT_EQ(world.machine.processes.size(), 1u) << where;
    EXPECT_EQ(world.machine.routes.at("shop").fallback, 0) << where << ": which has ended";
    const auto& kept = *world.machine.processes.begin();
    if (kept.second.unit) {
        EXPECT_EQ(world.machine.boots, std::set<std::string>{kept.first}) << where;
    }
    for (const auto& [id, deployment] : world.disk->deployments)
        EXPECT_TRUE(domain::is_end(deployment.state))
            << where << ": " << to_string(id) << " is " << to_string(deployment.state);
    for (const auto& [id, stages] : world.disk->stages)
        for (const auto& stage : stages)
            EXPECT_NE(stage.state, domain::StageState::running) << where << ": " << stage.name;
    EXPECT_NE(world.disk->releases.at({"shop", served}).healthy_since, TimePoint{}) << where;
}

// Runs one deployment that is cut off at its n-th commit; false when it had fewer.
bool cut_off(const Kind& kind, Death death, int n, bool reboot, Keeper keeper) {
    const auto where = std::string(kind.name) + (death == Death::before ? " before " : " after ") +
                       "commit " + std::to_string(n) + (reboot ? ", rebooted" : "");
    EngineWorld world;
    keep_in(world, keeper);
    world.start_live();
    if (kind.letter == 's') world.machine.sick_commits.insert(commit('s'));
    auto id = kind.letter == 'r' ? world.ask(world.engine->restart("shop", "ada"))->deployment
                                 : world.push(kind.letter).deployment;
    if (death == Death::before)
        world.store->stop_before_commit(n);
    else
        world.store->stop_after_commit(n);
    bool crashed = false;
    auto step = [&](State now) {
        if (kind.letter != 'x' || crashed || now != State::baking) return;
        crashed = true;
        world.runtime->crash(2, 1);
    };
    world.run_until([&] {
        if (world.store->stopped()) return true;
        step(world.deployment(id).state);
        return domain::is_end(world.deployment(id).state) && world.settled();
    });
    if (!world.store->stopped()) return false;
    EXPECT_TRUE(world.machine.answers()) << where << ": while the daemon is dead";
    world.kill();
    if (reboot) world.machine.reboot();
    if (keeper == Keeper::units) {
        EXPECT_TRUE(world.machine.answers()) << where << ": whatever becomes of the daemon";
    }
    world.start();
    EXPECT_TRUE(world.machine.answers()) << where << ": as soon as it is up again";
    bool answered = true;
    EXPECT_TRUE(world.run_until([&] {
        answered = answered && world.machine.answers();
        step(world.deployment(id).state);
        return domain::is_end(world.deployment(id).state) && world.settled();
    })) << where
        << ": stays " << to_string(world.deployment(id).state);
    world.run_until(
        [&] {
            answered = answered && world.machine.answers();
            return world.machine.processes.size() == 1;
        },
        Millis{60'000});
    EXPECT_TRUE(answered) << where << ": users were left without";
    expect_whole(world, where);
    // What it came to is what it would have come to, but for a bad release that a reboot took away
    // before its verdict.
    if (kind.letter != 'x') {
        EXPECT_EQ(to_string(world.deployment(id).state), to_string(kind.end)) << where;
    }
    return true;
}

class CrashAtEveryCommit : public ::testing::TestWithParam<std::tuple<int, Death, bool, Keeper>> {};

TEST_P(CrashAtEveryCommit, LeavesOneHealthyReleaseLiveAndEveryDeploymentEnded) {
    static const Kind kinds[] = {{"a good push", 'b', State::healthy},
                                 {"a sick push", 's', State::failed},
                                 {"a push that dies in its bake", 'x', State::rolled_back},
                                 {"a restart", 'r', State::healthy}};
    auto [kind, death, reboot, keeper] = GetParam();
    int n = 1;
    while (cut_off(kinds[kind], death, n, reboot, keeper)) {
        ASSERT_FALSE(HasFailure());
        ASSERT_LT(++n, 200);
    }
    EXPECT_GT(n, kinds[kind].letter == 'r' ? 5 : 10) << "a deployment saves more often than that";
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<int, Death, bool, Keeper>>& info) {
    static const char* const pushes[] = {"GoodPush", "SickPush", "PushThatDiesInItsBake",
                                         "Restart"};
    auto [kind, death, reboot, keeper] = info.param;
    return std::string(pushes[kind]) + (death == Death::before ? "BeforeCommit" : "AfterCommit") +
           (reboot ? "Rebooted" : "") + (keeper == Keeper::units ? "InUnits" : "");
}

INSTANTIATE_TEST_SUITE_P(All, CrashAtEveryCommit,
                         ::testing::Combine(::testing::Values(0, 1, 2, 3),
                                            ::testing::Values(Death::before, Death::after),
                                            ::testing::Bool(),
                                            ::testing::Values(Keeper::shims, Keeper::units)),
                         name_of);

TEST(Boot, BringsTheStableReleaseUpWithoutDatabaseOrConfiguration) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.kill();
    world.machine.reboot();
    world.disk = std::make_shared<test::FakeDisk>();
    world.config.apps.clear();
    world.start();
    EXPECT_TRUE(world.machine.answers());
    EXPECT_EQ(world.machine.served(), 1) << "what was proven, not what was being watched";
}

TEST(Boot, TakesOverWhatTheMachineStartedAndStartsNoSecondCopy) {
    for (bool with_record : {true, false}) {
        EngineWorld world;
        keep_in(world, Keeper::units);
        world.start_live();
        const auto before = world.machine.processes.begin()->first;
        auto id = world.push('b').deployment;
        ASSERT_TRUE(world.reaches(id, State::baking));
        world.kill();
        world.machine.reboot();
        EXPECT_EQ(world.machine.running(), std::vector<ReleaseNumber>{1})
            << "what was proven, not what was being watched";
        if (!with_record) {
            world.disk = std::make_shared<test::FakeDisk>();
            world.config.apps.clear();
        }
        world.start();
        EXPECT_TRUE(world.machine.answers());
        EXPECT_EQ(world.machine.served(), 1);
        EXPECT_EQ(std::count_if(world.machine.processes.begin(), world.machine.processes.end(),
                                [](const auto& entry) { return entry.second.release == 1; }),
                  1);
        EXPECT_TRUE(world.machine.processes.contains(before)) << "the one that ran, not another";
    }
}

TEST(Boot, WhatWasStoppedStartsNoMoreWithTheMachine) {
    EngineWorld world;
    keep_in(world, Keeper::units);
    world.start_live();
    ASSERT_EQ(world.machine.boots.size(), 1u);
    ASSERT_TRUE(world.ask(world.engine->stop("shop", "ada")));
    EXPECT_TRUE(world.machine.boots.empty());
}

TEST(Boot, LeavesAStoppedAppStopped) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.ask(world.engine->stop("shop", "ada")));
    world.kill();
    world.machine.reboot();
    world.start();
    EXPECT_TRUE(world.machine.processes.empty());
    EXPECT_EQ(world.engine->app("shop")->state, domain::AppState::stopped);
    auto again = world.ask(world.engine->start("shop", "ada"));
    ASSERT_TRUE(again);
    EXPECT_EQ(world.end_of(again->deployment).state, State::healthy);
    EXPECT_TRUE(world.machine.answers());
}

// Row 34 | EngineCore::trust_the_manifest() in src/engine/boot.cpp.
TEST(Crash, Fault34_ARecordFromABackupGivesWayToWhatRuns) {
    for (bool reboot : {false, true}) {
        EngineWorld world;
        world.start_live();
        const auto backup = *world.disk;
        ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
        world.run_until([&] { return world.settled(); });
        world.kill();
        *world.disk = backup;
        if (reboot) world.machine.reboot();
        world.start();
        EXPECT_EQ(world.machine.served(), 2);
        EXPECT_EQ(world.disk->apps.at("shop").live, 2);
        EXPECT_EQ(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::live);
        EXPECT_EQ(world.disk->releases.at({"shop", 2}).commit, commit('b'));
        EXPECT_NE(world.disk->releases.at({"shop", 1}).state, domain::ReleaseState::live);
        EXPECT_FALSE(world.disk->apps.at("shop").hold);
        auto end = world.end_of(world.push('c').deployment);
        EXPECT_EQ(end.state, State::healthy);
        EXPECT_GT(end.release, 2) << "no number is given out twice";
    }
}

// Row 34 | EngineCore::take_in_lost_releases() in src/engine/boot.cpp.
TEST(Crash, Fault34_ALostReleaseThatIsNewerThanLivePutsTheAppOnHold) {
    EngineWorld world;
    world.start_live();
    const auto backup = *world.disk;
    ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    engine::RollbackRequest request;
    request.hold = false;
    auto back = world.ask(world.engine->rollback("shop", request));
    ASSERT_TRUE(back);
    ASSERT_EQ(world.end_of(back->deployment).state, State::healthy);
    ASSERT_EQ(world.machine.served(), 1);
    world.run_until([&] { return world.settled(); });
    world.kill();
    *world.disk = backup;
    world.start();
    EXPECT_EQ(world.machine.served(), 1);
    const auto& hold = world.disk->apps.at("shop").hold;
    ASSERT_TRUE(hold);
    EXPECT_NE(hold->why.find("release 2"), std::string::npos) << hold->why;
    EXPECT_TRUE(world.disk->releases.contains({"shop", 2})) << "retention knows of it again";
    EXPECT_EQ(world.deployment(world.push('c').deployment).state, State::queued);
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(world.newest().id).state, State::healthy);
}

}  // namespace
}  // namespace belay::engine
