#include "git/order.hpp"

#include <gtest/gtest.h>

namespace belay::git {
namespace {

using ports::Submodules;

TEST(Order, FetchTravelsWhole) {
    FetchOrder order;
    order.job.child.timeout = Millis(1234);
    order.job.child.app = "shop";
    order.job.access = {"https://h/x", {"https"}, "/k", {}, "me", Secret("token"), "/ca"};
    order.material = {"key", {{"/known", "text"}}, "pem"};
    order.job.mirror = "/m";
    order.job.wanted = {"main", "t", "v*", "c"};
    order.job.live = "l";
    order.job.others = {"o", "p"};
    order.job.directory = "apps/web";
    order.job.submodules = Submodules::fetched;
    order.fresh_mirror = true;
    auto back = decode_fetch_order(encode(order));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(encode(*back), encode(order));
    EXPECT_EQ(back->job.child.timeout, Millis(1234));
    EXPECT_EQ(back->job.access.token.reveal(), "token");
    EXPECT_EQ(back->material.known_hosts.at(0).text, "text");
    EXPECT_EQ(back->job.wanted.tag_pattern, "v*");
    EXPECT_EQ(back->job.live, "l");
    EXPECT_EQ(back->job.others.size(), 2u);
    EXPECT_TRUE(back->fresh_mirror);
}

TEST(Order, ResultsTravelWholeAlsoWhereTheyAreNotUtf8) {
    ports::Fetched fetched;
    fetched.commit = "abc";
    fetched.author_name = "J\xe9r\xf4me";
    fetched.committed_at = TimePoint(Millis(1700000000000));
    fetched.warnings = {"w"};
    fetched.in_live = true;
    fetched.newest_tag = "v2";
    fetched.others = {{"abc", "message"}};
    auto back = decode_fetched(encode_result(Outcome<ports::Fetched>(fetched)));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->commit, "abc");
    EXPECT_EQ(back->committed_at, fetched.committed_at);
    EXPECT_EQ(back->author_name, "J\ufffdr\ufffdme");
    EXPECT_EQ(back->warnings.size(), 1u);
    EXPECT_TRUE(back->in_live);
    EXPECT_EQ(back->newest_tag, "v2");
    EXPECT_EQ(back->others, fetched.others);
}

TEST(Order, FailuresTravelWhole) {
    auto failure = damaged("bad pack");
    auto back = decode_exported(encode_failure(failure));
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(back.error().error, failure.error);
    EXPECT_TRUE(back.error().damaged);
}

TEST(Order, EveryReasonHasItsWord) {
    for (int i = 0; i <= static_cast<int>(SourceReason::sha256_repository_unsupported); ++i) {
        auto reason = static_cast<SourceReason>(i);
        EXPECT_EQ(decode_tips(encode_failure(failed(reason, ""))).error().error.reason, reason);
    }
}

TEST(Order, NonsenseIsAnErrorAndNoCrash) {
    for (const char* text : {"", "{", "[]", "{\"result\":1}", "{\"failure\":{}}", "null"}) {
        EXPECT_EQ(decode_changes(text).error().error.reason, SourceReason::internal) << text;
        EXPECT_FALSE(decode_export_job(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace belay::git
