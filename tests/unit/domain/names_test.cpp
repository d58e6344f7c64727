#include <belay/domain/deployment.hpp>
#include <belay/domain/push.hpp>
#include <belay/domain/release.hpp>

#include <gtest/gtest.h>

#include <set>

namespace belay::domain {
namespace {

template <class Enum, class Parse>
void expect_round_trip(int count, Parse parse) {
    std::set<std::string_view> seen;
    for (int i = 0; i < count; ++i) {
        auto value = static_cast<Enum>(i);
        auto word = to_string(value);
        EXPECT_TRUE(seen.insert(word).second) << word << " twice";
        auto parsed = parse(word);
        ASSERT_TRUE(parsed) << word;
        EXPECT_EQ(*parsed, value);
    }
    EXPECT_FALSE(parse("no such word"));
}

TEST(Names, EveryWordIsReadBackAsWhatItNames) {
    expect_round_trip<State>(kStateCount, parse_state);
    expect_round_trip<Reason>(kReasonCount, parse_reason);
    expect_round_trip<Blame>(4, parse_blame);
    expect_round_trip<Trigger>(6, parse_trigger);
    expect_round_trip<Plan>(3, parse_plan);
    expect_round_trip<StageState>(4, parse_stage_state);
    expect_round_trip<ReleaseState>(8, parse_release_state);
    expect_round_trip<AppState>(5, parse_app_state);
    expect_round_trip<PushKind>(7, parse_push_kind);
    expect_round_trip<Decision>(4, parse_decision);
}

TEST(Blame, FallsOnWhoCanDoSomethingAboutIt) {
    EXPECT_EQ(blame_of(Reason::test_failed), Blame::user);
    EXPECT_EQ(blame_of(Reason::disk_full), Blame::machine);
    EXPECT_EQ(blame_of(Reason::internal), Blame::belay);
    EXPECT_EQ(blame_of(Reason::superseded), Blame::none);
    EXPECT_EQ(blame_of(Reason::canceled), Blame::none);
    for (int i = 1; i < kReasonCount; ++i) {
        const auto reason = static_cast<Reason>(i);
        if (reason == Reason::canceled || reason == Reason::superseded) continue;
        EXPECT_NE(blame_of(reason), Blame::none) << to_string(reason);
    }
}

}  // namespace
}  // namespace belay::domain
