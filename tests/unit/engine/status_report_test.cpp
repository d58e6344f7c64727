// Which of a deployment's states the forge hears of, in which words, and that they are written with
// the state itself.
#include "engine/status_report.hpp"

#include "engine_world.hpp"

#include <gmock/gmock.h>

namespace belay::engine {
namespace {

using domain::Deployment;
using domain::Plan;
using domain::Reason;
using domain::State;
using domain::Trigger;
using test::EngineWorld;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

Deployment deployment(State state, Reason reason = Reason::none) {
    Deployment one;
    one.id = DeploymentId{12};
    one.app = "shop";
    one.commit = kCommit;
    one.ref = "refs/heads/main";
    one.state = state;
    one.failure.reason = reason;
    one.release = 7;
    return one;
}

const ReportFacts kSigned{true, ""};
const ReportFacts kUnsigned{false, ""};

TEST(A_report, NamesEachStepThatTakesTime) {
    std::vector<std::string> told;
    for (int i = 0; i < domain::kStateCount; ++i) {
        auto one = deployment(static_cast<State>(i));
        if (domain::is_end(one.state)) continue;
        if (auto made = report_of(one, kSigned)) told.push_back(made->description);
    }
    EXPECT_THAT(told,
                ElementsAre("Queued (d12)", "Fetching (d12)", "Building (d12)", "Testing (d12)",
                            "Waiting for approval (d12)", "Running the release command (d12)",
                            "Starting, until it is healthy (d12)", "Live, and being watched (d12)",
                            "Rolling back (d12)"));
}

TEST(A_report, SaysWhyInWordsOfOursAlone) {
    auto one = deployment(State::failed, Reason::test_failed);
    one.failure.exit_code = 2;
    one.failure.detail = "test: the password is hunter2";
    auto made = report_of(one, kSigned);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->description, "Failed: the tests failed, exit code 2 (d12)");
    EXPECT_EQ(made->sha, kCommit);
    EXPECT_EQ(made->reason, Reason::test_failed);
}

TEST(A_report, HasWordsForEveryReason) {
    for (int i = 1; i < domain::kReasonCount; ++i) {
        auto made = report_of(deployment(State::failed, static_cast<Reason>(i)), kSigned);
        ASSERT_TRUE(made);
        EXPECT_THAT(made->description, Not(HasSubstr("no known reason"))) << i;
        EXPECT_LE(made->description.size(), 140u) << i;
    }
}

TEST(A_report, OfACommitThatOnlyAnUnsignedBodyNamedIsNotMade) {
    for (auto state : {State::queued, State::fetching}) {
        EXPECT_FALSE(report_of(deployment(state), kUnsigned));
        EXPECT_TRUE(report_of(deployment(state), kSigned));
    }
    auto unseen = deployment(State::failed, Reason::sha_unavailable);
    EXPECT_FALSE(report_of(unseen, kUnsigned));
    unseen.trigger = Trigger::redeliver;
    EXPECT_FALSE(report_of(unseen, kUnsigned));
    for (auto state : {State::canceled, State::superseded})
        EXPECT_FALSE(report_of(deployment(state, Reason::canceled), kUnsigned));
    auto fetched = deployment(State::failed, Reason::test_failed);
    fetched.author = "Ann";
    EXPECT_TRUE(report_of(fetched, kUnsigned));
    EXPECT_TRUE(report_of(deployment(State::building), kUnsigned));
    auto polled = deployment(State::queued);
    polled.trigger = Trigger::poll;
    EXPECT_TRUE(report_of(polled, kUnsigned)) << "the poller saw it in git";
}

TEST(A_report, IsNotMadeForWhatIsNoAttemptAtACommit) {
    auto restart = deployment(State::starting);
    restart.plan = Plan::restart;
    restart.trigger = Trigger::manual;
    EXPECT_FALSE(report_of(restart, kSigned));
    restart.trigger = Trigger::rollback;
    EXPECT_TRUE(report_of(restart, kSigned));
    auto unknown = deployment(State::queued);
    unknown.commit.clear();
    EXPECT_FALSE(report_of(unknown, kSigned));
}

TEST(A_report, OfACommitThatIsLiveAlreadyKeepsItsSuccess) {
    const ReportFacts live{true, kCommit};
    auto again = deployment(State::superseded, Reason::superseded);
    EXPECT_EQ(report_of(again, live)->state, State::healthy);
    again.superseded_by = DeploymentId{13};
    EXPECT_EQ(report_of(again, live)->state, State::superseded);
    EXPECT_EQ(report_of(again, live)->description, "Superseded by d13 (d12)");
}

// --- the rows

class OneForge : public ports::ForgeDirectory {
  public:
    bool known = true;
    bool is_signed = true;

    std::optional<ports::StatusForgeFacts> find(std::string_view, std::string_view) const override {
        if (!known) return std::nullopt;
        return ports::StatusForgeFacts{"github", is_signed};
    }
};

class Told : public testing::Test {
  protected:
    Told() {
        world.status_forges = &forge;
        auto& app = world.config.apps.back();
        app.status_token = domain::SecretRef{domain::SecretRef::Kind::env, "TOKEN", {}};
        app.traffic.hosts = {"shop.example.com"};
    }
    // What was written of one deployment, in order.
    std::vector<std::string> rows(DeploymentId id) {
        std::vector<std::string> texts;
        const auto mark = " (" + to_string(id) + ")";
        for (const auto& [number, row] : world.disk->outbox)
            if (row.payload.ends_with(mark))
                texts.push_back(row.payload.substr(0, row.payload.size() - mark.size()));
        return texts;
    }

    const ports::StatusReport& last() { return world.outbox.reports.back(); }

    OneForge forge;
    EngineWorld world;
};

TEST_F(Told, AreTheStepsOfAPushUpToItsHealthyEnd) {
    world.start_live();
    auto id = world.push('b').deployment;
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_THAT(rows(id), ElementsAre("Queued", "Fetching", "Building", "Testing",
                                      "Starting, until it is healthy", "Live, and being watched",
                                      "Live and healthy as release 2"));
    EXPECT_GT(world.outbox.wakes, 0);
    EXPECT_EQ(last().sha, test::commit('b'));
    EXPECT_EQ(last().environment_url, "http://shop.example.com");
    EXPECT_EQ(last().target_url, "") << "nobody outside can open a page of ours";
    EXPECT_EQ(last().forge, "github");
}

TEST_F(Told, IsAFailureWithTheFailedStateInOneTransaction) {
    world.start_live();
    ports::StageOutcome failed;
    failed.exit_code = 2;
    world.machine.outcomes["test"] = failed;
    auto id = world.push('b').deployment;
    EXPECT_EQ(world.end_of(id).state, State::failed);
    EXPECT_EQ(rows(id).back(), "Failed: the tests failed, exit code 2");
}

TEST_F(Told, IsNothingBeforeTheCommitWasSeenWhereTheForgeSignsNoBody) {
    forge.is_signed = false;
    world.start_live();
    auto id = world.push('b').deployment;
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_EQ(rows(id).front(), "Building");
}

TEST_F(Told, IsNobodyWithoutATokenAndWhyWithoutAForge) {
    forge.known = false;
    world.start_live();
    EXPECT_TRUE(world.disk->outbox.empty());
    EXPECT_THAT(world.engine->server_status().problems,
                testing::Contains(HasSubstr("shop: [status] token is set, but no forge")));
}

TEST_F(Told, IsAPageWhereTheDashboardIsShown) {
    world.config.server.public_url = "https://deploy.example.com";
    world.config.server.expose = "all";
    world.start_live();
    EXPECT_EQ(last().target_url,
              "https://deploy.example.com/#/deployments/" + to_string(world.newest().id));
    EXPECT_EQ(last().environment_url, "https://shop.example.com");
}

}  // namespace
}  // namespace belay::engine
