#include <belay/domain/verdict.hpp>

#include <gtest/gtest.h>

#include <string>

namespace belay::domain {
namespace {

Health quick() {
    Health health;
    health.healthy = 2;
    health.unhealthy = 3;
    health.min_healthy_time = Millis{10'000};
    health.deadline = Millis{60'000};
    return health;
}

constexpr SteadyTime at(int seconds) {
    return SteadyTime{} + Seconds{seconds};
}

// '+' and '-' once a second from second 0.
Verdict judge(Verification& verification, const std::string& probes, int from = 0) {
    auto verdict = Verdict::pending;
    for (char probe : probes) {
        verdict = verification.on_probe(probe == '+', at(from++));
        if (verdict != Verdict::pending) break;
    }
    return verdict;
}

TEST(Verification, WhatItPassedBeforeItBeginsAnewCountsForNothingAndItsDeadlineStays) {
    Health health;
    health.healthy = 1;
    health.unhealthy = 1;
    health.min_healthy_time = Millis{1'000};
    health.deadline = Millis{5'000};
    const SteadyTime start{};
    Verification verification(health, start);
    EXPECT_EQ(verification.on_probe(true, start + Millis{500}), Verdict::pending);
    verification.begin_anew();
    EXPECT_EQ(verification.on_probe(false, start + Millis{600}), Verdict::pending);
    EXPECT_EQ(verification.on_probe(true, start + Millis{4'000}), Verdict::pending);
    EXPECT_EQ(verification.on_probe(true, start + Millis{5'000}), Verdict::healthy);
    verification.begin_anew();
    EXPECT_EQ(verification.on_probe(false, start + Millis{5'001}), Verdict::deadline);
}

TEST(Verification, NeedsTheWholeStabilityWindowAfterTheFirstPass) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(judge(verification, "----++++++++++"), Verdict::pending);
    EXPECT_EQ(verification.on_probe(true, at(14)),
              Verdict::healthy);  // 10 s after the first pass at 4
}

TEST(Verification, StartsTheWindowAnewAfterAFailure) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(judge(verification, "+++++-++++++++++"), Verdict::pending);
    EXPECT_EQ(verification.on_probe(true, at(16)), Verdict::healthy);
}

TEST(Verification, ATimeInWhichNobodyLookedCountsNeitherForNorAgainstIt) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(judge(verification, "-+++"), Verdict::pending);
    verification.skip(Millis{300'000});
    EXPECT_EQ(verification.on_probe(true, at(304)), Verdict::pending) << "what was before is past";
    EXPECT_EQ(verification.on_probe(true, at(314)), Verdict::healthy) << "the deadline has waited";
    Verification another(quick(), at(0));
    another.skip(Millis{300'000});
    EXPECT_EQ(another.on_probe(false, at(359)), Verdict::pending);
    EXPECT_EQ(another.on_probe(false, at(361)), Verdict::deadline);
}

TEST(Verification, CountsFailuresBeforeTheFirstPassAsStarting) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(judge(verification, std::string(60, '-')), Verdict::pending);
    EXPECT_EQ(verification.on_probe(false, at(61)), Verdict::deadline);
}

TEST(Verification, IsUnhealthyAfterThreeFailuresInARow) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(judge(verification, "++---"), Verdict::unhealthy);
}

TEST(Verification, CatchesFlappingThatIsNeverThreeInARow) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(judge(verification, "+-+-+-+-"), Verdict::flapping);
}

TEST(Verification, NeedsTwoPassesEvenWithoutAWindow) {
    auto health = quick();
    health.min_healthy_time = Millis{0};
    Verification verification(health, at(0));
    EXPECT_EQ(verification.on_probe(true, at(1)), Verdict::pending);
    EXPECT_EQ(verification.on_probe(true, at(2)), Verdict::healthy);
}

TEST(Verification, DoesNotPassAfterTheDeadline) {
    Verification verification(quick(), at(0));
    EXPECT_EQ(verification.on_probe(true, at(55)), Verdict::pending);
    EXPECT_EQ(verification.on_probe(true, at(66)), Verdict::deadline);
}

TEST(Watch, TurnsUnhealthyByRowAndByFlapsAndRecovers) {
    Watch watch(quick());
    EXPECT_EQ(watch.on_probe(false), Verdict::healthy);
    EXPECT_EQ(watch.on_probe(false), Verdict::healthy);
    EXPECT_EQ(watch.on_probe(false), Verdict::unhealthy);
    EXPECT_EQ(watch.on_probe(true), Verdict::unhealthy);
    EXPECT_EQ(watch.on_probe(true), Verdict::healthy);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(watch.on_probe(false), Verdict::healthy);
        EXPECT_EQ(watch.on_probe(true), Verdict::healthy);
    }
    EXPECT_EQ(watch.on_probe(false), Verdict::flapping);
}

TEST(ErrorRatio, NeedsEnoughRequestsAndBothLimits) {
    RollbackOn limits;
    EXPECT_FALSE(too_many_errors({49, 49}, {}, limits)) << "too few requests are no verdict";
    EXPECT_TRUE(too_many_errors({100, 6}, {}, limits));
    EXPECT_FALSE(too_many_errors({100, 5}, {}, limits)) << "not above 5 %";
    EXPECT_FALSE(too_many_errors({100, 20}, {1000, 100}, limits))
        << "not above three times the release before";
    EXPECT_TRUE(too_many_errors({100, 31}, {1000, 100}, limits));
    EXPECT_FALSE(too_many_errors({0, 0}, {}, {0.0, 0.0, 0})) << "no data is no failure";
}

}  // namespace
}  // namespace belay::domain
