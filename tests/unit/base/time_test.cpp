#include <belay/base/time.hpp>

#include <gtest/gtest.h>

namespace belay {
namespace {

TEST(Time, RoundTripsInRfc3339) {
    auto time = parse_time("2026-11-22T23:39:16.123Z");
    ASSERT_TRUE(time);
    EXPECT_EQ(format_time(*time), "2026-11-22T23:39:16.123Z");
    EXPECT_EQ(format_time(*parse_time("2026-02-28T00:00:00Z")), "2026-02-28T00:00:00.000Z");
    for (auto bad :
         {"", "2026", "2026-13-01T00:00:00Z", "2026-11-22T23:39:16", "2026-11-22 23:39:16+02:00"})
        EXPECT_FALSE(parse_time(bad)) << bad;
}

TEST(Duration, ParsesWhatPeopleWrite) {
    EXPECT_EQ(*parse_duration("30s"), Millis{30'000});
    EXPECT_EQ(*parse_duration("1h30m"), Millis{5'400'000});
    EXPECT_EQ(*parse_duration("0.5s"), Millis{500});
    EXPECT_EQ(*parse_duration("250ms"), Millis{250});
    EXPECT_EQ(*parse_duration("30d"), Millis{2'592'000'000});
    EXPECT_EQ(*parse_duration("0"), Millis{0});
    for (auto bad : {"", "30", "s", "5x", "-5s", "30m1h", "1e3s", "10s10s", "99999999999h"})
        EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Duration, IsShownInTheLargestUnits) {
    EXPECT_EQ(format_duration(Millis{5'400'000}), "1h30m");
    EXPECT_EQ(format_duration(Millis{0}), "0s");
    EXPECT_EQ(format_duration(Millis{1'500}), "1s500ms");
}

TEST(Size, ParsesBinaryAndDecimalUnits) {
    EXPECT_EQ(*parse_size("512MiB"), 512u << 20);
    EXPECT_EQ(*parse_size("1GB"), 1'000'000'000u);
    EXPECT_EQ(*parse_size("1.5KiB"), 1536u);
    EXPECT_EQ(*parse_size("7"), 7u);
    for (auto bad : {"", "MiB", "-1MiB", "1XB", "1 2"})
        EXPECT_FALSE(parse_size(bad)) << bad;
    EXPECT_EQ(format_size(512u << 20), "512MiB");
    EXPECT_EQ(format_size(1536), "1.5KiB");
}

}  // namespace
}  // namespace belay
