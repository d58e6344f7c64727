// Rows of the fault table (docs/reliability.md) that an engine with a clock of its own shows best.
#include "engine_world.hpp"

#include <algorithm>
#include <csignal>

namespace belay::engine {
namespace {

using domain::State;
using test::commit;
using test::EngineWorld;

constexpr Millis kYear{std::int64_t{366} * 86'400'000};

bool told(const EngineWorld& world, const std::string& text) {
    return std::any_of(
        world.disk->events.begin(), world.disk->events.end(),
        [&](const auto& entry) { return entry.second.text.find(text) != std::string::npos; });
}

// What a deployment takes, from its push to its end, by the clock that stands still in a suspend.
Millis span_of_deployment(std::optional<State> at, Millis jump) {
    EngineWorld world;
    world.start_live();
    const auto began = world.timers.steady_now();
    auto id = world.push('b').deployment;
    if (at) {
        EXPECT_TRUE(world.reaches(id, *at));
        world.timers.jump(jump);
    }
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 2);
    return std::chrono::duration_cast<Millis>(world.timers.steady_now() - began);
}

class ClockJump : public ::testing::TestWithParam<std::tuple<State, Millis>> {};

// Row 32, and 33: a suspend is a wall clock that is ahead all at once, and a monotonic one that
// knows nothing of it.
TEST_P(ClockJump, Fault32_And33_HurriesNothingAndHoldsUpNothing) {
    const auto [state, jump] = GetParam();
    EXPECT_EQ(span_of_deployment(state, jump), span_of_deployment({}, {}));
}

INSTANTIATE_TEST_SUITE_P(All, ClockJump,
                         ::testing::Combine(::testing::Values(State::building, State::testing,
                                                              State::verifying, State::baking),
                                            ::testing::Values(kYear, -kYear, Millis{3'600'000})),
                         [](const auto& instance) {
                             const auto jump = std::get<1>(instance.param);
                             return std::string(to_string(std::get<0>(instance.param))) +
                                    (jump < Millis{0} ? "YearBack"
                                     : jump == kYear  ? "YearAhead"
                                                      : "HourAhead");
                         });

TEST(Faults, Fault32_AClockThatWasSetBackTakesNoWayBackAway) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.timers.jump(-kYear);
    world.runtime->crash(2, 1);
    EXPECT_EQ(world.end_of(id).state, State::rolled_back);
    EXPECT_EQ(world.machine.served(), 1);
}

// Two releases that proved healthy, of which the second boots; then the machine goes down.
void go_down_with_two_healthy(EngineWorld& world) {
    world.start_live();
    ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    ASSERT_EQ(world.machine.served(), 2);
    world.kill();
    world.machine.reboot();
}

TEST(Faults, Fault39_AtABootTheHealthyReleaseBeforeADamagedOneServes) {
    EngineWorld world;
    go_down_with_two_healthy(world);
    world.machine.damaged = {2};
    world.start();
    EXPECT_TRUE(world.machine.answers());
    EXPECT_EQ(world.machine.served(), 1);
    EXPECT_EQ(world.machine.running(), std::vector<ReleaseNumber>{1});
    EXPECT_EQ(world.machine.live->stable->number, 1) << "the next boot knows";
    EXPECT_EQ(world.disk->apps.at("shop").live, 1);
    EXPECT_TRUE(told(world, "release 1, healthy before, serves"));
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 3);
}

TEST(Faults, Fault39_WhereEveryHealthyReleaseIsDamagedNoneIsStartedAndAPushMendsIt) {
    EngineWorld world;
    go_down_with_two_healthy(world);
    world.machine.damaged = {1, 2};
    world.start();
    EXPECT_TRUE(world.machine.running().empty());
    EXPECT_TRUE(told(world, "nothing serves"));
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 3);
}

TEST(Faults, Fault29_ALiveReleaseThatIsKilledIsSaidToHaveLackedMemoryAndStays) {
    EngineWorld world;
    world.start_live();
    Exit killed;
    killed.known = true;
    killed.signal = SIGKILL;
    world.runtime->end(1, killed);
    ASSERT_TRUE(world.run_until([&] { return told(world, "for want of memory"); }));
    EXPECT_EQ(world.machine.served(), 1);
    EXPECT_EQ(world.newest().id, DeploymentId{1}) << "nothing is deployed for it";
}

TEST(Faults, AnAppThatCouldNotBeRemovedKeepsWhatWaitsForIt) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.ask(world.engine->hold("shop", "a look", "ada")));
    auto id = world.push('b').deployment;
    world.machine.live_error = Error{Errc::forbidden, "live/shop.json: Read-only file system"};
    EXPECT_FALSE(world.ask(world.engine->remove("shop", false, "ada")));
    EXPECT_EQ(world.machine.served(), 1);
    world.store->fail_all_commits(Error{Errc::disk_full, "no space left"});
    world.machine.live_error.reset();
    EXPECT_FALSE(world.ask(world.engine->remove("shop", false, "ada")));
    world.store->fail_all_commits(std::nullopt);
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(id).state, State::healthy) << "it waited, and was not forgotten";
    EXPECT_EQ(world.machine.served(), 2);
}

}  // namespace
}  // namespace belay::engine
