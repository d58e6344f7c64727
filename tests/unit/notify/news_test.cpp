#include "notify/news.hpp"

#include "letters.hpp"
#include "notify/status_payload.hpp"

#include <gtest/gtest.h>

namespace belay::notify {
namespace {

using domain::AlertEvent;

TEST(News, ComesBackFromTheOutboxAsItWas) {
    News news;
    news.alert = failed_alert();
    news.alert.signal = 9;
    news.count = 4;
    news.since = news.alert.at - Millis{60'000};
    news.again = true;
    news.others = {failed_alert(), hostile_alert()};
    EXPECT_EQ(decode(encode(news)).value(), news);
    for (const std::string wrong : {"", "{}", "[]", R"({"alert": {"event": "new"}})"})
        EXPECT_EQ(decode(wrong).error().code, Errc::internal) << wrong;
}

TEST(News, StatusesComeBackFromTheOutboxAsTheyWere) {
    ports::StatusReport report;
    report.forge = "github";
    report.api_url = "https://api.github.com";
    report.repo = "git@github.com:acme/shop.git";
    report.sha = std::string(40, 'a');
    report.ref = "refs/heads/main";
    report.app = "shop";
    report.deployment = DeploymentId{12};
    report.state = domain::State::failed;
    report.reason = domain::Reason::test_failed;
    report.stage = "testing";
    report.description = "the tests failed";
    report.target_url = "https://deploy.example.com/#/deployments/d12";
    report.environment_url = "https://shop.example.com";
    report.at = TimePoint(Millis(1'795'615'325'000));
    EXPECT_EQ(decode_status(encode(report)).value(), report);
    EXPECT_EQ(decode_status("{}").error().code, Errc::internal);
}

TEST(News, IsBoundedBeforeItIsKept) {
    News news;
    news.alert = huge_alert();
    EXPECT_LT(encode(news).size(), 20'000U);
    EXPECT_FALSE(news.alert.log_tail.empty());
}

TEST(News, RepeatsAreOfTheSameAppEventAndReason) {
    auto alert = failed_alert();
    auto other = alert;
    other.deployment = DeploymentId{13};
    EXPECT_EQ(key_of(alert), key_of(other)) << "another deployment with the same end is a repeat";
    other.reason = domain::Reason::test_failed;
    EXPECT_NE(key_of(alert), key_of(other));
    other = alert;
    other.app = "blog";
    EXPECT_NE(key_of(alert), key_of(other));
    EXPECT_EQ(group_of(alert), group_of(other)) << "several apps at once";
}

TEST(News, WhatNeedsAnAnswerIsNeverARepeat) {
    auto alert = failed_alert();
    alert.event = AlertEvent::awaiting_approval;
    auto other = alert;
    other.deployment = DeploymentId{13};
    EXPECT_NE(key_of(alert), key_of(other));
    EXPECT_EQ(quiet_time(AlertEvent::awaiting_approval), Millis{0});
    EXPECT_TRUE(is_once(AlertEvent::awaiting_approval));
    EXPECT_TRUE(group_of(alert).empty());
}

TEST(Words, SayHowOftenAndSinceWhen) {
    News news;
    news.alert = failed_alert();
    news.since = news.alert.at;
    EXPECT_EQ(words_of(news, "web1").title, "shop: d12 failed: the build failed");
    news.count = 4;
    EXPECT_EQ(words_of(news, "web1").title,
              "shop: d12 failed: the build failed (4 times since 2026-11-25 14:02 UTC)");
    news.again = true;
    EXPECT_EQ(words_of(news, "web1").title,
              "shop: d12 failed: the build failed (again, 4 times since 2026-11-25 14:02 UTC)");
}

TEST(Words, NameAllAppsThatHaveTheSame) {
    News news;
    news.alert = failed_alert();
    news.alert.reason = domain::Reason::disk_full;
    auto other = news.alert;
    other.app = "blog";
    news.others = {other};
    auto words = words_of(news, "web1");
    EXPECT_EQ(words.title, "2 apps failed to deploy: the disk is full");
    EXPECT_EQ(words.facts.front(), (std::pair<std::string, std::string>{"Apps", "shop, blog"}));
}

TEST(Words, HaveATitleForEveryEventAndWordsForEveryReason) {
    std::set<std::string> titles;
    for (int i = 0; i < domain::kAlertEventCount; ++i) {
        News news;
        news.alert = failed_alert();
        news.alert.event = static_cast<AlertEvent>(i);
        auto title = words_of(news, "web1").title;
        EXPECT_GT(title.size(), 8U);
        EXPECT_TRUE(titles.insert(title).second) << title;
    }
    std::set<std::string_view> words;
    for (int i = 1; i < domain::kReasonCount; ++i)
        EXPECT_TRUE(words.insert(in_words(static_cast<domain::Reason>(i))).second) << i;
    EXPECT_EQ(in_words(domain::Reason::superseded), "a newer push took over");
    EXPECT_EQ(in_words(domain::Reason::disk_full), "the disk is full");
    EXPECT_EQ(in_words(domain::Reason::artifact_changed), "the tests changed what was built");
}

TEST(Words, AsPlainTextKeepWhatMattersWithinTheLimit) {
    News news;
    news.alert = huge_alert();
    news.alert.message = "Fix the cart";
    news.alert.author = news.alert.stage = "x";
    news.alert.ref = "main";
    auto words = words_of(news, "web1");
    auto text = plain_text(words, 1'000, true);
    EXPECT_LE(text.size(), 1'000U);
    for (const std::string part : {"shop: d12 failed", "Commit: 0a1b2c3d4e Fix the cart",
                                   "Next: belay show d12", "/#/deployments/d12"})
        EXPECT_NE(text.find(part), text.npos) << text;
    for (std::size_t limit = 0; limit < 400; ++limit)
        EXPECT_LE(plain_text(words, limit, true).size(), limit);
}

}  // namespace
}  // namespace belay::notify
