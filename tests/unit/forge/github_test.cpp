#include "support/signing.hpp"

#include <belay/forge/forge.hpp>

#include <gtest/gtest.h>

namespace belay::forge {
namespace {

using ports::HookRequest;

const std::string kOld(40, '1');
const std::string kNew(40, '2');

HookRequest request(std::string_view body, std::string signature = {}) {
    HookRequest made;
    made.method = "POST";
    made.headers = {{"X-GitHub-Event", "push"}, {"Content-Type", "application/json"}};
    if (!signature.empty()) made.headers.emplace_back("x-hub-signature-256", std::move(signature));
    made.body = body;
    return made;
}

const ports::Forge& github() {
    return *table().find("github", HookRequest());
}

std::string push_body(std::string_view ref, std::string_view before, std::string_view after) {
    return R"({"ref":")" + std::string(ref) + R"(","before":)" + std::string(before) +
           R"(,"after":)" + std::string(after) + "}";
}

std::string text(std::string_view value) {
    return '"' + std::string(value) + '"';
}

std::string refusal(std::string_view body) {
    auto push = github().parse(request(body));
    EXPECT_FALSE(push) << body;
    if (push) return "";
    EXPECT_EQ(push.error().code, Errc::invalid);
    return push.error().message;
}

// docs.github.com, "Validating webhook deliveries": the manual's own example.
TEST(Github, AcceptsTheManualsSignature) {
    auto made = request("Hello, World!",
                        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    EXPECT_TRUE(github().verify(made, {Secret("It's a Secret to Everybody")}));
    EXPECT_TRUE(github().verify(made, {Secret("old"), Secret("It's a Secret to Everybody")}));
    EXPECT_FALSE(github().verify(made, {Secret("It's a Secret to everybody")}));
}

TEST(Github, RefusesSignaturesThatAreNone) {
    auto good = test::github_signature("s3cret", "{}");
    std::vector<Secret> secrets{Secret("s3cret")};
    ASSERT_TRUE(github().verify(request("{}", good), secrets));
    for (const std::string& bad :
         {std::string(), std::string("sha256="), std::string("sha256"), std::string("s"),
          good.substr(7), good.substr(0, 70), good + "0", "sha1=" + good.substr(7),
          "sha256=" + std::string(64, 'g'), "SHA256=" + good.substr(7), " " + good}) {
        auto verdict = github().verify(request("{}", bad), secrets);
        ASSERT_FALSE(verdict) << bad;
        EXPECT_EQ(verdict.error().code, Errc::unauthorized);
        EXPECT_EQ(verdict.error().message, "the signature is missing or wrong");
    }
    EXPECT_FALSE(github().verify(request("{} ", good), secrets));
}

TEST(Github, NeverLetsTheRequestChooseSha1) {
    HookRequest made = request("{}");
    made.headers.emplace_back("X-Hub-Signature",
                              "sha1=" + test::hex(test::hmac(EVP_sha1(), "s3cret", "{}")));
    EXPECT_FALSE(github().verify(made, {Secret("s3cret")}));
}

TEST(Github, NeverPassesWithoutASecret) {
    EXPECT_FALSE(github().verify(request("{}", test::github_signature("", "{}")), {Secret("")}));
    EXPECT_FALSE(github().verify(request("{}", test::github_signature("", "{}")), {}));
}

TEST(Github, JudgesABodyInPiecesLikeTheWhole) {
    std::string body(100'000, 'x');
    auto check =
        github().check(request("", test::github_signature("s3cret", body)), {Secret("s3cret")});
    for (std::size_t at = 0; at < body.size(); at += 777)
        check->feed(std::string_view(body).substr(at, 777));
    EXPECT_TRUE(check->finish(body));
}

TEST(Github, ReadsIdsOfSha256Repositories) {
    std::string before(64, '0'), after(64, 'a');
    auto push = github().parse(request(push_body("refs/heads/main", text(before), text(after))));
    ASSERT_TRUE(push);
    EXPECT_EQ(push->changes.at(0).before, std::nullopt);
    EXPECT_EQ(push->changes.at(0).commit, after);
    EXPECT_TRUE(push->changes.at(0).created);
}

TEST(Github, TakesNullForNoObject) {
    auto push = github().parse(
        request(push_body("refs/tags/v1", text(kOld), "null").replace(0, 1, "{\"after\":\"0\",")));
    EXPECT_FALSE(push);  // named twice
    push = github().parse(request(push_body("refs/tags/v1", "null", text(kNew))));
    ASSERT_TRUE(push);
    EXPECT_EQ(push->kind, domain::PushKind::tag);
    EXPECT_TRUE(push->changes.at(0).created);
}

TEST(Github, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(refusal("{}"), "the field \"ref\" is missing");
    EXPECT_EQ(refusal(R"({"ref":"refs/heads/main"})"), "the field \"after\" is missing");
    EXPECT_EQ(refusal(R"({"ref":1})"), "the field \"ref\" must be a string");
    EXPECT_EQ(refusal(R"({"ref":{"a":1}})"), "the field \"ref\" must be a string");
    EXPECT_EQ(refusal(R"({"repository":"x"})"), "the field \"repository\" must be an object");
    EXPECT_EQ(refusal(R"({"forced":"yes"})"), "the field \"forced\" must be true or false");
    EXPECT_EQ(refusal("[]"), "the body must be an object");
    EXPECT_EQ(refusal("null"), "the body must be an object");
    EXPECT_EQ(refusal("7"), "the body must be an object");
    EXPECT_EQ(refusal(push_body("refs/heads/main", text(kOld), text("xyz"))),
              "the field \"after\" is no commit id (40 or 64 hex digits)");
    EXPECT_EQ(refusal(push_body("refs/heads/a..b", text(kOld), text(kNew))),
              "the field \"ref\" is no full name of a branch or a tag");
    EXPECT_EQ(refusal(push_body("main", text(kOld), text(kNew))),
              "the field \"ref\" is no full name of a branch or a tag");
    EXPECT_EQ(refusal(push_body("refs/heads/main", "null", text(std::string(40, '0')))),
              "the fields \"before\" and \"after\" both name no commit");
}

TEST(Github, RefusesAFieldThatAppearsTwice) {
    EXPECT_EQ(refusal(R"({"ref":"refs/heads/a","x":{"ref":1},"ref":"refs/heads/b"})"),
              "the field \"ref\" appears twice");
    EXPECT_EQ(refusal(R"({"repository":{"name":"a"},"repository":{"name":"b"}})"),
              "the field \"repository\" appears twice");
}

TEST(Github, RefusesWhatIsNoJson) {
    EXPECT_EQ(refusal(""), "no valid JSON at byte 1");
    EXPECT_EQ(refusal(R"({"ref":)"), "no valid JSON at byte 8");
    EXPECT_EQ(refusal(R"({} x)"), "no valid JSON at byte 4");
    EXPECT_EQ(refusal("{\"ref\":\"\xff\"}"), "no valid JSON at byte 9");
    EXPECT_EQ(refusal("{\"ref\":\"\xc0\xaf\"}"), "no valid JSON at byte 9");
    EXPECT_EQ(refusal(R"({"x":"\ud800"})"), "no valid JSON at byte 13");
    EXPECT_EQ(refusal("{\"x\":" + std::string(100'000, '[')), "nested deeper than 64");
}

TEST(Github, ReadsDepthUpTo64) {
    auto nested = [](int depth) {
        return R"({"ref":"refs/heads/main","after":")" + kNew + R"(","x":)" +
               std::string(static_cast<std::size_t>(depth), '[') +
               std::string(static_cast<std::size_t>(depth), ']') + "}";
    };
    EXPECT_TRUE(github().parse(request(nested(63))));
    EXPECT_EQ(refusal(nested(64)), "nested deeper than 64");
}

TEST(Github, IgnoresRefsThatAreNeitherBranchNorTag) {
    auto push = github().parse(request(push_body("refs/notes/commits", text(kOld), text(kNew))));
    ASSERT_TRUE(push);
    EXPECT_EQ(push->kind, domain::PushKind::other);
    EXPECT_TRUE(push->changes.empty());
}

TEST(Github, RefusesFormsWithoutOnePayload) {
    auto form = [](std::string_view body) {
        auto made = request(body);
        made.headers = {{"X-GitHub-Event", "ping"},
                        {"content-type", "Application/X-WWW-Form-Urlencoded; charset=utf-8"}};
        auto push = github().parse(made);
        return push ? std::string(to_string(push->kind)) : push.error().message;
    };
    EXPECT_EQ(form("payload=%7b%7D"), "ping");
    EXPECT_EQ(form("a=b&payload=%7B+%7D&c"), "ping");
    EXPECT_EQ(form("a=b"), "the form has no field \"payload\"");
    EXPECT_EQ(form("payload={}&payload={}"), "the form has the field \"payload\" twice");
    EXPECT_EQ(form("payload=%7"), "the form's field \"payload\" has a % without two hex digits");
    EXPECT_EQ(form("payload=%zz"), "the form's field \"payload\" has a % without two hex digits");
}

TEST(Github, RefusesHeadersThatDontBelongIntoARecord) {
    auto made = request("{}");
    made.headers[0].second = "push\n";
    EXPECT_FALSE(github().parse(made));
    made.headers[0].second = "ping";
    made.headers.emplace_back("X-GitHub-Delivery", std::string(129, 'a'));
    EXPECT_FALSE(github().parse(made));
}

}  // namespace
}  // namespace belay::forge
