#include "cli/event_stream.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(EventStream, IsReadInPiecesOfAnySize) {
    const std::string text =
        ": hello\n\nid: 7\nevent: deployment\ndata: {\"a\":\ndata: 1}\n\nid: 8\r\ndata: x\r\n\r\n: "
        "ping\n\n";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        EventStream stream;
        std::vector<ServerEvent> events;
        for (std::size_t at = 0; at < text.size(); at += size)
            for (auto& event : stream.feed(std::string_view(text).substr(at, size)))
                events.push_back(event);
        ASSERT_EQ(events.size(), 2u) << size;
        EXPECT_EQ(events[0].id, "7");
        EXPECT_EQ(events[0].type, "deployment");
        EXPECT_EQ(events[0].data, "{\"a\":\n1}");
        EXPECT_EQ(events[1].id, "8");
        EXPECT_EQ(events[1].type, "");
        EXPECT_EQ(events[1].data, "x");
    }
}

TEST(EventStream, WithoutABlankLineHasNoEventYet) {
    EventStream stream;
    EXPECT_TRUE(stream.feed("data: x\n").empty());
    EXPECT_EQ(stream.feed("\n").size(), 1u);
}

}  // namespace
}  // namespace belay::cli
