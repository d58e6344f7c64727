#include "notify/text.hpp"

#include <gtest/gtest.h>

namespace belay::notify {
namespace {

TEST(Text, IsCleanedOfWhatControls) {
    EXPECT_EQ(clean_line("a\r\nb\tc\x01\x7f"), "a b c");
    EXPECT_EQ(clean_lines("a\r\nb\tc"), "a\nb\tc");
    EXPECT_EQ(clean_line("\x1b[1;31mred\x1b[0m"), "red");
    EXPECT_EQ(clean_line("\xe2\x80\xaetxt.exe\xe2\x81\xa6"), "txt.exe") << "direction of writing";
    EXPECT_EQ(clean_line("\xc2\x85"), "") << "a C1 control";
    EXPECT_EQ(clean_line("gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80"),
              "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80");
}

TEST(Text, IsValidUtf8WhateverCame) {
    const std::string mark = "\xef\xbf\xbd";
    for (const std::string wrong :
         {"\xff", "\xc0", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
        auto cleaned = clean_line("a" + wrong + "b");
        EXPECT_TRUE(cleaned.starts_with("a" + mark) && cleaned.ends_with("b")) << cleaned;
    }
    for (const std::string overlong : {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf"})
        EXPECT_EQ(clean_line(overlong).find('/'), std::string::npos);
}

TEST(Text, IsCutBetweenCodePoints) {
    EXPECT_EQ(cut("short", 5), "short");
    EXPECT_EQ(cut("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 6), "\xc3\xa4\xe2\x80\xa6");
    EXPECT_EQ(cut_front("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 6), "\xe2\x80\xa6\xc3\xa4");
    EXPECT_EQ(cut("anything", 2), "");
    EXPECT_EQ(cut_front("", 0), "");
}

TEST(Text, IsEscapedForHtmlAndAddresses) {
    EXPECT_EQ(html("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    EXPECT_EQ(url_part("!a/b:c~\xc3\xa4"), "%21a%2Fb%3Ac~%C3%A4");
    EXPECT_EQ(escaped("a*b`", "*`", "\\"), "a\\*b\\`");
}

}  // namespace
}  // namespace belay::notify
