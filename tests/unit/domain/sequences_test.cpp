// Invariants on random event sequences: whatever comes, whenever it comes (spec: decisions 33).
#include <belay/domain/transition.hpp>

#include <gtest/gtest.h>

#include <random>

namespace belay::domain {
namespace {

// A world that does what the effects say and looks at what must always hold.
struct SmallWorld {
    int live = 1;         // the release with the traffic; 0: none
    int running_old = 1;  // the previous release still runs
    bool candidate = false;
    bool ever_verified = false;

    void perform(const Transition& transition, const Deployment& before) {
        switch (transition.effect) {
            case Effect::start:
                candidate = true;
                break;
            case Effect::drain:  // the switch is committed
                ASSERT_TRUE(ever_verified) << "an unverified release got the traffic";
                live = 2;
                break;
            case Effect::promote:
                ASSERT_EQ(before.state, State::baking) << "promoted without a bake";
                ASSERT_EQ(live, 2);
                running_old = 0;
                break;
            case Effect::roll_back:
                ASSERT_EQ(running_old, 1) << "the release to go back to was stopped";
                break;
            case Effect::discard:
                ASSERT_EQ(live, 1) << "a failure before the switch touched the live release";
                candidate = false;
                break;
            case Effect::take_down:
                ASSERT_EQ(before.previous, 0);
                live = 0;
                break;
            default:
                break;
        }
        if (transition.next.state == State::rolled_back) live = 1;
    }
};

// What comes of it when nothing goes wrong.
EventKind natural(State state) {
    if (state == State::sealing) return EventKind::sealed;
    if (state == State::releasing) return EventKind::release_passed;
    if (state == State::switching) return EventKind::switched;
    if (state == State::verifying) return EventKind::verified;
    return state == State::baking ? EventKind::bake_passed : EventKind::rolled_back;
}

// The same for a release that takes the place of the one before: there is nothing that runs beside
// it, but it is never given up once it may be live, and never promoted unverified.
TEST(Sequences, InPlaceTheWayBackIsNeverLeftOut) {
    std::mt19937 random(20261125);
    int back = 0, healthy = 0;
    for (int round = 0; round < 20'000; ++round) {
        Deployment deployment;
        deployment.id = DeploymentId{round + 1};
        deployment.previous = 1;
        deployment.state = State::sealing;
        Course course{random() % 4 == 0, random() % 2 == 0, random() % 2 == 0, true};
        bool flipped = false, verified = false, gone_back = false;
        for (int step = 0; step < 200 && !is_end(deployment.state); ++step) {
            Event event;
            event.kind = random() % 2 == 0 ? natural(deployment.state)
                                           : static_cast<EventKind>(random() % kEventKindCount);
            event.failure.reason = Reason::unhealthy;
            event.by = DeploymentId{deployment.id.value + 1};
            event.sealed = random() % 2 == 0;
            event.rebooted = random() % 4 == 0;
            auto transition = apply(deployment, event, course);
            if (!transition) continue;
            const auto effect = transition->effect;
            if (effect == Effect::switch_traffic) flipped = true;
            if (effect == Effect::roll_back) gone_back = true;
            if (deployment.state == State::verifying && event.kind == EventKind::verified)
                verified = true;
            ASSERT_NE(effect, Effect::start);
            ASSERT_NE(effect, Effect::drain);
            ASSERT_FALSE(effect == Effect::discard && flipped) << "left as it is after the flip";
            deployment = transition->next;
        }
        if (!is_end(deployment.state)) continue;
        if (deployment.state == State::healthy) {
            ++healthy;
            EXPECT_TRUE(flipped && verified);
        } else if (flipped) {
            ++back;
            EXPECT_TRUE(gone_back || deployment.state == State::failed);
            EXPECT_NE(deployment.state, State::superseded);
        }
    }
    EXPECT_GT(healthy, 100);
    EXPECT_GT(back, 1'000);
}

TEST(Sequences, ExactlyOneReleaseIsLiveAndTheOldOneRunsUntilTheNewIsHealthy) {
    std::mt19937 random(20261122);
    int ends = 0;
    for (int round = 0; round < 20'000; ++round) {
        SmallWorld world;
        Deployment deployment;
        deployment.id = DeploymentId{round + 1};
        deployment.previous = 1;
        Course course{random() % 4 == 0, random() % 2 == 0, random() % 2 == 0};
        bool switched = false;
        for (int step = 0; step < 200 && !is_end(deployment.state); ++step) {
            Event event;
            event.kind = static_cast<EventKind>(random() % kEventKindCount);
            event.failure.reason = Reason::unhealthy;
            event.by = DeploymentId{deployment.id.value + 1};
            event.sealed = random() % 2 == 0;
            event.no_way_back = random() % 8 == 0;
            // A reboot takes the candidate with it and puts the stable release back; the proxy
            // serves what was switched.
            event.serving = deployment.state != State::switching || random() % 2 == 0;
            auto transition = apply(deployment, event, course);
            if (!transition) continue;
            if (event.kind == EventKind::verified) world.ever_verified = true;
            if (transition->next.state == State::draining) switched = true;
            world.perform(*transition, deployment);
            if (::testing::Test::HasFatalFailure()) return;
            deployment = transition->next;
        }
        if (!is_end(deployment.state)) continue;
        ++ends;
        if (deployment.state == State::healthy) {
            EXPECT_EQ(world.live, 2);
            continue;
        }
        EXPECT_NE(deployment.failure.reason, Reason::none);
        EXPECT_EQ(world.running_old, 1);
        if (!switched || deployment.state == State::rolled_back) {
            EXPECT_EQ(world.live, 1);
        }
    }
    EXPECT_GT(ends, 10'000);
}

}  // namespace
}  // namespace belay::domain
