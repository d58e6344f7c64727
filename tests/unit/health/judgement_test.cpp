#include <gtest/gtest.h>

#include <chrono>
#include <health/judgement.hpp>

namespace belay::health {
namespace {

TEST(Judgement, KnowsStatusRanges) {
    std::vector<domain::StatusRange> ranges{{200, 204}, {301, 301}};
    EXPECT_TRUE(expects(ranges, 200));
    EXPECT_TRUE(expects(ranges, 204));
    EXPECT_TRUE(expects(ranges, 301));
    EXPECT_FALSE(expects(ranges, 205));
    EXPECT_FALSE(expects({}, 200));
}

TEST(Judgement, LooksForAPartOfTheBody) {
    EXPECT_EQ(complaint_about_body("", "x"), "");
    EXPECT_EQ(complaint_about_body("ok", "all ok here"), "");
    EXPECT_EQ(complaint_about_body("ok", "no"), "body does not contain \"ok\"");
    EXPECT_EQ(complaint_about_body("/", "a/b"), "");
}

TEST(Judgement, LooksForAPattern) {
    EXPECT_EQ(complaint_about_body("/v[0-9]+/", "version v12"), "");
    EXPECT_EQ(complaint_about_body("/^v[0-9]+$/", "version v12"),
              "body does not match /^v[0-9]+$/");
    EXPECT_NE(complaint_about_body("/(/", "x").find("no regular expression"), std::string::npos);
}

TEST(Judgement, APatternThatExplodesEndsSoon) {
    auto from = std::chrono::steady_clock::now();
    auto complaint = complaint_about_body("/(a+)+(b+)+(a+)+$/", std::string(64 << 10, 'a') + "!");
    EXPECT_NE(complaint, "");
    EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(5));
    complaint_about_body("/(.|\\n)*x/", std::string(64 << 10, 'a'));  // no overflow of the stack
}

TEST(Judgement, ShowsBytesAsOneLineOfText) {
    EXPECT_EQ(printable("a\nb\x01\x1b[31m", 200), "a b..[31m");
    EXPECT_EQ(printable("\xc3\xbc\xff\xc3", 200), "\xc3\xbc..");
    EXPECT_EQ(printable("\xc2\x9b", 200), "..");       // a terminal's control character
    EXPECT_EQ(printable("\xed\xa0\x80", 200), "...");  // half a surrogate pair
    EXPECT_EQ(printable("\xc0\xaf", 200), "..");       // overlong
    EXPECT_EQ(printable("aa\xc3\xbc", 3), "aa");       // no half character
    EXPECT_EQ(printable(std::string(500, 'x'), 200).size(), 200u);
}

}  // namespace
}  // namespace belay::health
