// Which changes are told to whom, with what, and in which transaction.
#include "engine_world.hpp"

#include <gmock/gmock.h>

namespace belay::engine {
namespace {

using domain::AlertEvent;
using domain::Reason;
using domain::State;
using test::commit;
using test::EngineWorld;

class Alerts : public testing::Test {
  protected:
    Alerts() {
        auto& app = world.config.apps.front();
        for (int i = 0; i < domain::kAlertEventCount; ++i)
            app.notify[std::string(to_string(static_cast<AlertEvent>(i)))] = {"ops"};
    }
    const domain::Alert* last(AlertEvent event) const {
        for (auto at = world.outbox.told.rbegin(); at != world.outbox.told.rend(); ++at)
            if (at->alert.event == event) return &at->alert;
        return nullptr;
    }
    std::size_t count(AlertEvent event) const {
        std::size_t found = 0;
        for (const auto& one : world.outbox.told)
            found += one.alert.event == event ? 1 : 0;
        return found;
    }

    EngineWorld world;
};

TEST_F(Alerts, AFailureIsTakenIntoTheTransactionOfItsCauseWithAllThatAPersonNeeds) {
    world.start_live();
    EXPECT_EQ(world.outbox.summary(), "live>ops");
    ports::StageOutcome failed;
    failed.exit_code = 2;
    failed.tail = "1 test ran\n1 test failed\n";
    failed.detail = "exit code 2";
    world.machine.outcomes["test"] = failed;
    int together = 0;
    world.store->before_commit = [&](const std::vector<ports::Write>& batch) {
        bool ends = false;
        bool tells = false;
        for (const auto& write : batch) {
            const auto* put = std::get_if<ports::PutDeployment>(&write);
            ends = ends || (put && put->deployment.state == State::failed);
            tells = tells || std::holds_alternative<ports::AddOutgoing>(write);
        }
        EXPECT_EQ(ends, tells);
        together += ends && tells ? 1 : 0;
    };
    const auto wakes = world.outbox.wakes;
    auto end = world.end_of(world.push('b').deployment);
    world.store->before_commit = nullptr;
    EXPECT_EQ(together, 1);
    EXPECT_EQ(world.outbox.wakes, wakes + 1);
    ASSERT_EQ(world.outbox.summary(), "live>ops failed>ops");
    const auto& told = *last(AlertEvent::failed);
    EXPECT_EQ(told.app, "shop");
    EXPECT_EQ(told.deployment, end.id);
    EXPECT_EQ(told.commit, commit('b'));
    EXPECT_EQ(told.stage, "testing");
    EXPECT_EQ(told.reason, Reason::test_failed);
    EXPECT_EQ(told.exit_code, 2);
    EXPECT_EQ(told.serving, 1);
    EXPECT_EQ(told.log_tail, (std::vector<std::string>{"1 test ran", "1 test failed"}));
    EXPECT_EQ(told.command, "belay show " + to_string(end.id));
    EXPECT_EQ(told.link, "") << "there is no public_url";
}

TEST_F(Alerts, ARollbackIsToldAndLinksToWherePagesAreShown) {
    world.config.server.public_url = "https://deploy.example.com";
    world.config.server.expose = "all";
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.runtime->crash(2, 7);
    world.end_of(id);
    ASSERT_EQ(world.outbox.summary(), "live>ops rolled_back>ops");
    EXPECT_EQ(last(AlertEvent::rolled_back)->link,
              "https://deploy.example.com/#/deployments/" + to_string(id));
    EXPECT_EQ(last(AlertEvent::rolled_back)->serving, 1);
}

TEST_F(Alerts, ThatItNeedsAPersonIsToldInsteadOfThatItFailed) {
    world.config.apps.front().release.run.shell = "migrate";
    world.config.apps.front().notify["failed"] = {"ops", "dev"};
    world.start_live();
    ports::StageOutcome irreversible;
    irreversible.verdict = ports::StageVerdict::failed;
    irreversible.exit_code = 10;
    world.machine.outcomes["release"] = irreversible;
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.runtime->crash(2, 7);
    auto end = world.end_of(id);
    ASSERT_EQ(end.state, State::failed);
    EXPECT_EQ(world.outbox.summary(), "live>ops degraded>ops failed>dev");
    EXPECT_EQ(last(AlertEvent::degraded)->deployment, id);
    EXPECT_THAT(last(AlertEvent::degraded)->command, testing::HasSubstr("belay resume shop"));
}

TEST_F(Alerts, AGateIsToldOnceWhateverRestarts) {
    world.config.apps.front().manual_approval = true;
    world.start();
    ASSERT_TRUE(world.run_until([&] { return !world.disk->deployments.empty(); }));
    auto id = world.newest().id;
    ASSERT_TRUE(world.reaches(id, State::awaiting_approval));
    ASSERT_TRUE(world.run_until([&] { return count(AlertEvent::awaiting_approval) == 1; }));
    world.kill();
    world.start();
    ASSERT_TRUE(world.reaches(id, State::awaiting_approval));
    std::size_t rows = 0;
    for (const auto& [number, row] : world.disk->outbox)
        rows += row.key == "shop/awaiting_approval/" + to_string(id) ? 1 : 0;
    EXPECT_EQ(rows, 1U);
    EXPECT_THAT(last(AlertEvent::awaiting_approval)->command,
                testing::HasSubstr("belay approve " + to_string(id)));
}

TEST_F(Alerts, IllnessOfTheLiveReleaseAndItsRecoveryAreTold) {
    world.start_live();
    world.machine.sick_commits.insert(commit('a'));
    ASSERT_TRUE(world.run_until([&] { return count(AlertEvent::unhealthy) == 1; }));
    EXPECT_EQ(last(AlertEvent::unhealthy)->command, "belay logs shop");
    EXPECT_EQ(last(AlertEvent::unhealthy)->release, 1);
    world.machine.sick_commits.clear();
    ASSERT_TRUE(world.run_until([&] { return count(AlertEvent::recovered) == 1; }));
    EXPECT_EQ(count(AlertEvent::unhealthy), 1U);
}

TEST_F(Alerts, ANewReleaseThatReplacesAnIllOneIsARecovery) {
    world.start_live();
    world.machine.sick_commits.insert(commit('a'));
    ASSERT_TRUE(world.run_until([&] { return count(AlertEvent::unhealthy) == 1; }));
    EXPECT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    EXPECT_EQ(count(AlertEvent::recovered), 1U);
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
    EXPECT_EQ(count(AlertEvent::recovered), 1U) << "only once";
}

TEST_F(Alerts, ABrokenFileIsToldToWhomItsLastValidVersionNames) {
    world.start_live();
    world.config.broken = true;
    ASSERT_TRUE(world.ask(world.engine->reload()));
    ASSERT_TRUE(world.run_until([&] { return count(AlertEvent::config_invalid) == 1; }));
    EXPECT_EQ(last(AlertEvent::config_invalid)->app, "shop");
    EXPECT_THAT(last(AlertEvent::config_invalid)->detail, testing::HasSubstr("unknown key"));
    EXPECT_EQ(last(AlertEvent::config_invalid)->command, "belay check shop.toml");
}

TEST_F(Alerts, AFullDiskIsToldOnceUntilThereWasRoomAgain) {
    world.config.server.disk_reserve = 1'000;
    world.start_live();
    auto pass = [&](int minutes) {
        bool over = false;
        auto timer = world.timers.after(Millis{60'000} * minutes, [&] { over = true; });
        world.run_until([&] { return over; });
    };
    world.machine.free_bytes = 999;
    pass(3);
    EXPECT_EQ(count(AlertEvent::disk_low), 1U);
    EXPECT_EQ(last(AlertEvent::disk_low)->app, "");
    world.machine.free_bytes = 1'100;
    pass(3);
    world.machine.free_bytes = 999;
    pass(3);
    EXPECT_EQ(count(AlertEvent::disk_low), 1U) << "hardly more room is no end of it";
    world.machine.free_bytes = 1'250;
    pass(3);
    world.machine.free_bytes = 999;
    pass(3);
    EXPECT_EQ(count(AlertEvent::disk_low), 2U);
}

TEST_F(Alerts, NobodyIsToldWhoWasNotNamed) {
    world.config.apps.front().notify.clear();
    world.start_live();
    world.machine.sick_commits.insert(commit('b'));
    world.end_of(world.push('b').deployment);
    EXPECT_EQ(world.outbox.summary(), "");
    EXPECT_TRUE(world.disk->outbox.empty());
}

TEST_F(Alerts, AFailureThatCanNotBeWrittenYetIsToldOnceItIs) {
    world.start_live();
    world.machine.sick_commits.insert(commit('b'));
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::verifying));
    world.store->fail_all_commits(Error{Errc::disk_full, "full"});
    world.run_until([&] { return false; }, Millis{600'000});
    EXPECT_EQ(world.disk->outbox.size(), 1U) << "that it is live, from before";
    world.store->fail_all_commits(std::nullopt);
    EXPECT_EQ(world.end_of(id).state, State::failed);
    EXPECT_EQ(world.disk->outbox.size(), 2U);
}

TEST_F(Alerts, ChannelsThatFailAreAmongTheServersProblems) {
    world.start_live();
    EXPECT_THAT(world.engine->server_status().problems, testing::Contains("alerts don't go out"));
    EXPECT_EQ(*world.ask(world.engine->test_channel("ops")), "tested ops");
}

}  // namespace
}  // namespace belay::engine
