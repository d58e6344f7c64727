#include "cli/format.hpp"

#include "cli/client.hpp"
#include "cli/table.hpp"

#include <belay/cli/cli.hpp>

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Ago, SaysWhatAPersonWould) {
    auto now = *parse_time("2026-11-22T12:00:00Z");
    EXPECT_EQ(ago(now, now), "now");
    EXPECT_EQ(ago(now - seconds{12}, now), "12s ago");
    EXPECT_EQ(ago(now - seconds{59}, now), "59s ago");
    EXPECT_EQ(ago(now - minutes{3} - seconds{50}, now), "3m ago");
    EXPECT_EQ(ago(now - hours{23}, now), "23h ago");
    EXPECT_EQ(ago(now - hours{49}, now), "2d ago");
    EXPECT_EQ(ago(now - hours{24 * 40}, now), "2026-10-13");
    EXPECT_EQ(ago(now + minutes{2}, now), "in 2m00s");
}

TEST(Span, KeepsTwoUnitsAtMost) {
    EXPECT_EQ(span(Millis{0}), "0ms");
    EXPECT_EQ(span(Millis{85}), "85ms");
    EXPECT_EQ(span(Millis{1'250}), "1.2s");
    EXPECT_EQ(span(Millis{59'999}), "59s");
    EXPECT_EQ(span(Millis{125'000}), "2m05s");
    EXPECT_EQ(span(Millis{4'320'000}), "1h12m");
    EXPECT_EQ(span(Millis{-5}), "0ms");
}

TEST(Printable, KeepsStrangersFromSteeringTheTerminal) {
    EXPECT_EQ(printable("plain ü €😀"), "plain ü €😀");
    EXPECT_EQ(printable("a\x1b[31mb\rc\x07"), "a?[31mb?c?");
    EXPECT_EQ(printable("tab\there"), "tab here");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "?31m");  // C1 control sequence introducer
    EXPECT_EQ(printable("\xe2\x80\xae"
                        "txt"),
              "?txt");                       // right-to-left override
    EXPECT_EQ(printable("\xff\xc3"), "??");  // no UTF-8
}

TEST(Clipped, CutsByCharactersAndSaysSo) {
    EXPECT_EQ(clipped("äöüß", 4), "äöüß");
    EXPECT_EQ(clipped("äöüßx", 4), "äöü…");
    EXPECT_EQ(clipped("anything", 0), "anything");
}

TEST(Table, AlignsColumnsAndLeavesEmptyOnesOut) {
    Table table({"APP", "NOTE", "STATE"});
    table.add({{"shop"}, {""}, {"live"}});
    table.add({{"größer"}, {""}, {"down"}});
    EXPECT_EQ(table.render({}), "APP     STATE\nshop    live\ngrößer  down\n");
    EXPECT_EQ(Table({"APP"}).render({}), "");
}

TEST(Table, CutsItsLastColumnToTheTerminal) {
    Table table({"APP", "NOTES"});
    table.add({{"shop"}, {"something long to say"}});
    EXPECT_EQ(table.render({.width = 20}), "APP   NOTES\nshop  something lon…\n");
}

TEST(Table, IsColouredOnlyWhereAsked) {
    Table table({"STATE"});
    table.add({{"live", Style::good}});
    EXPECT_EQ(table.render({.color = true}), "\x1b[2mSTATE\x1b[0m\n\x1b[32mlive\x1b[0m\n");
}

TEST(ExitCode, FollowsTheAnswersStatus) {
    EXPECT_EQ(exit_code(error_of_answer(400, "")), kFailed);
    EXPECT_EQ(exit_code(error_of_answer(401, "")), kNotAllowed);
    EXPECT_EQ(exit_code(error_of_answer(403, "")), kNotAllowed);
    EXPECT_EQ(exit_code(error_of_answer(404, "")), kNoSuchThing);
    EXPECT_EQ(exit_code(error_of_answer(409, "")), kFailed);
    EXPECT_EQ(exit_code(error_of_answer(503, "")), kFailed);  // a daemon is there
    EXPECT_EQ(exit_code(Error{Errc::unavailable, ""}), kNoDaemon);
}

TEST(Problem, IsToldByItsDetailElseItsTitleElseItsStatus) {
    EXPECT_EQ(
        error_of_answer(409, R"({"title": "Conflict", "detail": "shop is switching"})").message,
        "shop is switching");
    EXPECT_EQ(error_of_answer(409, R"({"title": "Conflict"})").message, "Conflict");
    EXPECT_EQ(error_of_answer(502, "<html>").message, "the daemon answered 502");
}

TEST(Url, EncodesWhatAPathMayNotHold) {
    EXPECT_EQ(url_encoded("a/b?c#d é~"), "a%2Fb%3Fc%23d%20%C3%A9~");
}

}  // namespace
}  // namespace belay::cli
