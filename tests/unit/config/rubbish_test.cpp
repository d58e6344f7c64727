// Whatever bytes lie in a file: an error with its place, never the end of the process.
#include "config/toml_text.hpp"
#include "reading.hpp"

#include <gtest/gtest.h>

#include <random>

namespace belay::config {
namespace {

std::string first_line(const std::string& text) {
    auto lines = lines_of(app_of(text).complaints);
    return lines.empty() ? "" : lines.front();
}

std::string repeated(std::string_view part, int times) {
    std::string result;
    for (int i = 0; i < times; ++i)
        result += part;
    return result;
}

TEST(Rubbish, BytesThatAreNoText) {
    EXPECT_EQ(first_line(std::string("a = 1\nb\0", 8)),
              "shop.toml:2:2: has a control character (byte 0x00): is this a text file?");
    EXPECT_EQ(first_line("\x7f"
                         "ELF\x02\x01"),
              "shop.toml:1:5: has a control character (byte 0x02): is this a text file?");
    EXPECT_EQ(first_line("a = \"\xff\""),
              "shop.toml:1:6: is no UTF-8 text (byte 0xff); save it as UTF-8");
    EXPECT_EQ(first_line("a = \"\xc0\xaf\""),
              "shop.toml:1:6: is no UTF-8 text (byte 0xc0); save it as UTF-8");
    EXPECT_EQ(first_line("a = \"\xed\xa0\x80\""),
              "shop.toml:1:6: is no UTF-8 text (byte 0xed); save it as UTF-8");
    EXPECT_EQ(first_line("\xff\xfe"
                         "a"),
              "shop.toml:1:1: is no UTF-8 text (byte 0xff); save it as UTF-8");
}

TEST(Rubbish, NestingWithoutEnd) {
    // without scan_text() the first of these ends the process
    EXPECT_EQ(first_line(repeated("a.", 500'000) + "a = 1"),
              "shop.toml:1:34: a key has more parts than any that Belay knows");
    EXPECT_EQ(first_line("[" + repeated("a.", 500'000) + "a]"),
              "shop.toml:1:35: a key has more parts than any that Belay knows");
    EXPECT_EQ(first_line("a = " + repeated("[", 500'000)),
              "shop.toml:1:37: is nested deeper than any value that Belay knows");
    EXPECT_EQ(first_line("a = " + repeated("{a=", 500'000)),
              "shop.toml:1:101: is nested deeper than any value that Belay knows");
    auto hidden = "a = { b = \"\"\"x\"\"\"\"\", " + repeated("c.", 500'000) + "c = 1 }";
    EXPECT_NE(first_line(hidden).find("more parts"), std::string::npos)
        << "quotes at a string's end must not hide it";
}

TEST(Rubbish, DotsInStringsAndCommentsAreNoNesting) {
    EXPECT_FALSE(
        scan_text("a = \"" + repeated(".", 1'000) + "\"\n# " + repeated("[", 1'000) + "\n"));
    EXPECT_FALSE(scan_text("a = '''\n" + repeated(".", 1'000) + "\n'''\nb = \"\\\"" +
                           repeated("{", 100) + "\""));
}

TEST(Rubbish, AMarkOfTheByteOrderIsNoFault) {
    EXPECT_TRUE(
        app_of("\xef\xbb\xbfrepo = \"https://a.example/b\"\n[service]\nrun = \"x\"\n").config);
}

TEST(Rubbish, WindowsLineEndsAreNoFault) {
    EXPECT_TRUE(app_of("repo = \"https://a.example/b\"\r\n[service]\r\nrun = \"x\"\r\n").config);
}

// A whole file with random changes: complaints or a configuration, nothing else.
TEST(Rubbish, AnyChangeOfAFileIsRead) {
    auto original =
        file_content(std::string(BELAY_SOURCE_DIR) + "/tests/unit/config/data/shop.toml");
    std::mt19937 random(42);
    auto server = server_of();
    for (int round = 0; round < 300; ++round) {
        auto text = original;
        auto changes = random() % 8 + 1;
        for (unsigned i = 0; i < changes; ++i) {
            auto at = random() % text.size();
            auto length = std::min<std::size_t>(random() % 40, text.size() - at);
            if (random() % 2 == 0)
                text.erase(at, length);
            else
                text.insert(random() % text.size(), text.substr(at, length));
        }
        auto file = app_of(text, server);
        EXPECT_EQ(file.config.has_value(), !has_errors(file.complaints));
    }
}

}  // namespace
}  // namespace belay::config
