#include "cli/hook_script.hpp"
#include "cli/push_body.hpp"
#include "cli/webhook_signature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace belay::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

const std::string kOld(40, 'a');
const std::string kNew(40, 'b');
const std::string kZero(40, '0');

// The example of the reference libraries (standard-webhooks/standard-webhooks,
// libraries/python/tests).
TEST(Signature, IsThatOfTheStandardsExample) {
    EXPECT_EQ(
        webhook_signature(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                          "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}"),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Signature, TakesASecretWithoutPrefixAsItIs) {
    auto encoded = webhook_signature(Secret("whsec_c2VjcmV0"), "i", "1", "b");
    EXPECT_EQ(webhook_signature(Secret("secret"), "i", "1", "b"), encoded);
    EXPECT_NE(webhook_signature(Secret("secret"), "j", "1", "b"), encoded);
}

TEST(WebhookId, IsNeverTheSameAndHasNoDot) {
    auto id = make_webhook_id();
    EXPECT_EQ(id.size(), 36u);
    EXPECT_THAT(id, Not(HasSubstr(".")));
    EXPECT_NE(make_webhook_id(), id);
}

TEST(PushBody, SaysWhatTheHookWasTold) {
    std::istringstream lines(kOld + " " + kNew + " refs/heads/main\n\nnonsense\n" + kOld + " " +
                             kZero + " refs/heads/dev\n");
    auto updates = read_updates(lines);
    ASSERT_EQ(updates.size(), 2u);
    auto bodies =
        push_bodies(updates, {"/srv/git/shop.git", "ann", *parse_time("2026-11-22T12:00:00Z")});
    ASSERT_EQ(bodies.size(), 1u);
    auto body = nlohmann::json::parse(bodies[0]);
    auto expected =
        nlohmann::json{{"type", "push"},
                       {"timestamp", "2026-11-22T12:00:00.000Z"},
                       {"data",
                        {{"repository", "/srv/git/shop.git"},
                         {"pusher", "ann"},
                         {"changes",
                          {{{"ref", "refs/heads/main"}, {"before", kOld}, {"after", kNew}},
                           {{"ref", "refs/heads/dev"}, {"before", kOld}, {"after", kZero}}}}}}};
    EXPECT_EQ(body, expected);
}

TEST(PushBody, OfVeryManyRefsIsSeveral) {
    std::vector<RefUpdate> updates(2001, RefUpdate{kZero, kNew, "refs/heads/x"});
    auto bodies = push_bodies(updates, {"/r", "", {}});
    ASSERT_EQ(bodies.size(), 3u);
    EXPECT_EQ(nlohmann::json::parse(bodies[2])["data"]["changes"].size(), 1u);
}

TEST(PushBody, IsDescribedInAFewWords) {
    EXPECT_EQ(describe({{kOld, kNew, "refs/heads/main"}}), "main bbbbbbb");
    EXPECT_EQ(describe({{kOld, kZero, "refs/tags/v1"}}), "v1 deleted");
    EXPECT_EQ(describe({{kOld, kNew, "refs/heads/a"}, {kOld, kNew, "refs/heads/b"}}), "2 refs");
}

TEST(HookScript, IsReadBackAsItWasWritten) {
    HookScript script{"/usr/bin/belay",
                      "/srv/it's",
                      true,
                      {{"shop", "--url 'http://h/a' --poll '5m'"}, {"blog", "--url 'x y'"}}};
    auto text = render_hook(script);
    EXPECT_TRUE(is_belay_hook(text));
    EXPECT_FALSE(is_belay_hook("#!/bin/sh\nbelay hook deliver shop\n"));
    EXPECT_THAT(deliveries_of(text), ElementsAre(Pair("shop", "--url 'http://h/a' --poll '5m'"),
                                                 Pair("blog", "--url 'x y'")));
    EXPECT_THAT(text, HasSubstr("repo='/srv/it'\\''s'\n"));
    EXPECT_THAT(text, HasSubstr("post-receive.before-belay"));
    script.bare = false;
    EXPECT_THAT(render_hook(script), HasSubstr("post-commit.before-belay"));
}

}  // namespace
}  // namespace belay::cli
