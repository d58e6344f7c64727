#include <gtest/gtest.h>

#include <stage/log_file.hpp>

namespace belay::stage {
namespace {

TEST(LastLines, TakesWholeLines) {
    EXPECT_EQ(last_lines("", 3, 100), "");
    EXPECT_EQ(last_lines("a", 3, 100), "a");
    EXPECT_EQ(last_lines("a\nb\nc\nd\n", 2, 100), "c\nd\n");
    EXPECT_EQ(last_lines("a\nb\nc\nd", 2, 100), "c\nd");
    EXPECT_EQ(last_lines("\n\n\n", 2, 100), "\n\n");
    EXPECT_EQ(last_lines("a\nb\n", 9, 100), "a\nb\n");
}

TEST(LastLines, NeverTakesMoreThanItsBytes) {
    EXPECT_EQ(last_lines("aaaa\nbbbb\ncccc\n", 3, 12), "bbbb\ncccc\n");  // the cut line goes
    EXPECT_EQ(last_lines(std::string(50, 'x'), 3, 10), std::string(10, 'x'));
}

TEST(LastLines, MakesText) {
    EXPECT_EQ(last_lines(std::string_view("a\0b\xff \xc3\xbc\x1b[0m", 11), 3, 100),
              "ab? \xc3\xbc\x1b[0m");
}

}  // namespace
}  // namespace belay::stage
