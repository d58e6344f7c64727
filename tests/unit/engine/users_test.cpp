// Who builds, tests and runs: uids of the app's own, or the users that its file names.
#include "engine_world.hpp"

#include <gtest/gtest.h>

namespace belay::engine {
namespace {

using domain::Reason;
using domain::State;
using test::EngineWorld;

struct UsersTest : ::testing::Test {
    EngineWorld world;

    UsersTest() {
        world.separate_users = true;
        world.config.apps.front().release.run.shell = "migrate";
        world.config.users = {{"ci", {1001, 101, {27}}}, {"shop", {1002, 102, {28, 29}}}};
    }
    domain::AppConfig& app() { return world.config.apps.front(); }
    void build_as(const std::string& name) { app().build[0].user = app().test[0].user = name; }
    const domain::ProcessPlan& plan(ReleaseNumber number) {
        return world.machine.manifests.at(number).processes.at(0);
    }
    int first_uid() const { return domain::ServerConfig{}.uids.first; }
};

TEST_F(UsersTest, AreTheAppsOwnUnlessItsFileSaysOtherwise) {
    world.start_live();
    EXPECT_EQ(world.machine.stage_users["build"], first_uid() + 1);
    EXPECT_EQ(world.machine.stage_users["test"], first_uid() + 1);
    EXPECT_EQ(world.machine.stage_users["release"], first_uid() + 2);
    EXPECT_EQ(plan(1).uid, first_uid() + 2);
    EXPECT_EQ(plan(1).gid, first_uid() + 2);
    EXPECT_TRUE(plan(1).groups.empty());
}

TEST_F(UsersTest, AreThoseOfTheFileWithTheirGroupsAndTheAppsOwn) {
    build_as("ci");
    app().processes[0].user = "shop";
    world.start_live();
    EXPECT_EQ(world.machine.stage_users["build"], 1001);
    EXPECT_EQ(world.machine.stage_users["test"], 1001);
    EXPECT_EQ(world.machine.stage_users["release"], 1002) << "who runs it migrates, too";
    EXPECT_EQ(plan(1).uid, 1002);
    EXPECT_EQ(plan(1).gid, 102);
    // The last is that of the release's files, which stays when the user changes.
    EXPECT_EQ(plan(1).groups, (std::vector<int>{28, 29, first_uid() + 2}));
}

TEST_F(UsersTest, OneThatIsGoneFailsTheDeploymentAndLeavesWhatIsLive) {
    app().processes[0].user = "shop";
    world.start_live();
    world.config.users.erase("shop");
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::config_invalid);
    EXPECT_EQ(end.failure.detail, "user: there is no user \"shop\"");
    EXPECT_EQ(world.machine.served(), 1);
}

TEST_F(UsersTest, AreTheDaemonsWhereItCannotBecomeAnother) {
    world.separate_users = false;
    world.start_live();
    EXPECT_EQ(world.machine.stage_users["build"], -1);
    EXPECT_EQ(plan(1).uid, -1);
}

}  // namespace
}  // namespace belay::engine
