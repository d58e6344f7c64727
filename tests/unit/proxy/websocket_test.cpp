#include "proxy/websocket.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::proxy {
namespace {

TEST(FrameTracker, FindsBoundariesHoweverTheBytesCome) {
    std::string small(
        "\x81\x03"
        "abc",
        5);
    std::string middle = std::string("\x82\x7e\x01\x00", 4) + std::string(256, 'm');
    std::string large = std::string("\x82\x7f\0\0\0\0\0\x01\0\0", 10) + std::string(65'536, 'l');
    std::string masked("\x81\x82\x01\x02\x03\x04xy", 8);
    std::string empty("\x89\0", 2);
    auto all = small + middle + large + masked + empty;
    FrameTracker whole;
    EXPECT_EQ(whole.track(all), all.size());
    EXPECT_TRUE(whole.at_boundary());
    FrameTracker bytewise;
    std::size_t boundaries = 0;
    for (char c : all)
        boundaries += bytewise.track({&c, 1});
    EXPECT_EQ(boundaries, 5u);
    EXPECT_FALSE(bytewise.saw_close());
    FrameTracker partial;
    EXPECT_EQ(partial.track((small + middle).substr(0, 20)), small.size());
    EXPECT_FALSE(partial.at_boundary());
}

TEST(FrameTracker, SeesACloseFrame) {
    FrameTracker frames;
    frames.track(kGoingAway);
    EXPECT_TRUE(frames.saw_close());
    EXPECT_TRUE(frames.at_boundary());
}

}  // namespace
}  // namespace belay::proxy
