// forge = "auto": which forge a request is taken for, and that no header gets anybody in who
// doesn't know the secret.
#include "senders.hpp"
#include "support/signing.hpp"

namespace belay::forge {
namespace {

using namespace test_senders;
using ports::HookRequest;
using Headers = std::vector<std::pair<std::string, std::string>>;

std::string guess(const Headers& headers, const std::string& target = "/hooks/shop") {
    HookRequest request;
    request.method = "POST";
    request.target = target;
    request.headers = headers;
    const auto* forge = table().find("auto", request);
    return forge ? std::string(forge->name()) : "";
}

TEST(Guessing, FollowsTheEventHeaders) {
    const Headers github{{"X-GitHub-Event", "push"}};
    auto with = [](Headers headers, const std::string& name, const std::string& value) {
        headers.emplace_back(name, value);
        return headers;
    };
    auto gogs = with(github, "X-Gogs-Event", "push");
    auto gitea = with(gogs, "X-Gitea-Event", "push");
    EXPECT_EQ(guess(github), "github");
    EXPECT_EQ(guess(gogs), "gogs");
    EXPECT_EQ(guess(gitea), "gitea");
    EXPECT_EQ(guess(with(gitea, "X-Forgejo-Event", "push")), "forgejo");
    EXPECT_EQ(guess(with(github, "X-Gitea-Event", "")), "github");
    EXPECT_EQ(guess({{"X-Gitlab-Event", "Push Hook"}, {"webhook-id", "1"}}), "gitlab");
    EXPECT_EQ(guess({{"X-Gitee-Event", "Push Hook"}}), "gitee");
    EXPECT_EQ(guess({{"X-Webhook-Event", "GIT_POST_RECEIVE"}}), "sourcehut");
    EXPECT_EQ(guess({{"webhook-id", "1"}}), "generic");
    EXPECT_EQ(guess({{"Authorization", "Bearer x"}}), "generic");
    EXPECT_EQ(guess({}, "/hooks/shop?secret=x"), "generic");
    EXPECT_EQ(guess({{"Authorization", "Basic eDp5"}}), "azure-devops");
    EXPECT_EQ(guess({}), "azure-devops");
}

TEST(Guessing, TellsTheBitbucketsApart) {
    EXPECT_EQ(guess({{"X-Event-Key", "repo:push"}, {"X-Hook-UUID", "u"}}), "bitbucket-cloud");
    EXPECT_EQ(guess({{"X-Event-Key", "repo:fork"}, {"X-Request-UUID", "u"}}), "bitbucket-cloud");
    EXPECT_EQ(guess({{"X-Event-Key", "repo:push"}}), "bitbucket-cloud");
    EXPECT_EQ(guess({{"X-Event-Key", "repo:push"}, {"X-Request-Id", "r"}}), "bitbucket-server");
    EXPECT_EQ(guess({{"X-Event-Key", "repo:refs_changed"}}), "bitbucket-server");
    EXPECT_EQ(guess({{"X-Event-Key", "pr:opened"}}), "bitbucket-server");
    EXPECT_EQ(guess({{"X-Event-Key", "diagnostics:ping"}}), "bitbucket-server");
}

TEST(Guessing, GivesWayToTheConfiguration) {
    HookRequest request;
    request.method = "POST";
    request.headers = {{"X-GitHub-Event", "push"}};
    for (const auto& sender : senders())
        EXPECT_EQ(table().find(sender.name, request)->name(), sender.name);
    EXPECT_EQ(table().find("subversion", request), nullptr);
}

// Offers `text` in every place where some forge takes a secret.
HookRequest offer_everywhere(const Sender& sender, const std::string& text, std::string_view body) {
    auto request = request_of(sender, body);
    request.target += "?secret=" + test::form_encoded(text).substr(8);
    for (const auto* name : {"X-Gitlab-Token", "X-Gitee-Token", "X-Anything"})
        request.headers.emplace_back(name, text);
    request.headers.emplace_back("Authorization", "Bearer " + text);
    auto hmac = test::hex(test::hmac(EVP_sha256(), text, body));
    for (const auto* name : {"X-Forgejo-Signature", "X-Gitea-Signature", "X-Gogs-Signature"})
        request.headers.emplace_back(name, hmac);
    for (const auto* name : {"X-Hub-Signature", "X-Hub-Signature-256"})
        request.headers.emplace_back(name, "sha256=" + hmac);
    request.headers.emplace_back("webhook-timestamp", "1700000000");
    request.headers.emplace_back(
        "webhook-signature",
        test::standard_signature(text, std::string(request.header("webhook-id")), "1700000000",
                                 std::string(body)));
    return request;
}

TEST(Guessing, NeverTakesAPublicKeyForASecret) {
    const test::Ed25519 instance;
    const auto key = "whpk_" + instance.public_key();
    for (const auto& sender : senders())
        for (const auto& name : {sender.name, std::string("auto")})
            for (const auto& text : {key, instance.public_key()}) {
                auto request = offer_everywhere(sender, text, "{}");
                EXPECT_FALSE(table().find(name, request)->verify(request, {Secret(key)}))
                    << sender.name << " " << name;
            }
}

TEST(Guessing, TakesTheVerySecretAndNothingLess) {
    for (const auto& sender : senders()) {
        if (sender.name == "sourcehut") continue;
        auto request = offer_everywhere(sender, "s3cret", "{}");
        const auto* forge = table().find("auto", request);
        EXPECT_TRUE(forge->verify(request, {Secret("s3cret")})) << sender.name;
        for (const auto* other : {"s3cre", "s3cret ", "S3cret", "", "s3cret\n", "belay:s3cret"})
            EXPECT_FALSE(forge->verify(request, {Secret(other)})) << sender.name << other;
    }
}

// A bare key might be meant as another forge's secret: only where the configuration names Sourcehut
// is it taken for a key.
TEST(Guessing, TakesABareKeyOnlyWhereSourcehutIsNamed) {
    const test::Ed25519 instance;
    auto request = request_of(sender("sourcehut"), "{}");
    request.headers.emplace_back("X-Payload-Nonce", "n");
    request.headers.emplace_back("X-Payload-Signature", instance.sign("{}n"));
    const std::vector<Secret> bare{Secret(instance.public_key())};
    const std::vector<Secret> marked{Secret("whpk_" + instance.public_key())};
    EXPECT_FALSE(table().find("auto", request)->verify(request, bare));
    EXPECT_TRUE(table().find("auto", request)->verify(request, marked));
    EXPECT_TRUE(table().find("sourcehut", request)->verify(request, bare));
    EXPECT_TRUE(table().find("sourcehut", request)->verify(request, marked));
}

}  // namespace
}  // namespace belay::forge
