// What each forge takes as proof, beyond the published vectors.
#include "support/signing.hpp"

#include "senders.hpp"

namespace belay::forge {
namespace {

using namespace test_senders;
using ports::HookRequest;

const std::string kSecret = "s3cret/+&=";

HookRequest with(const std::string& forge, std::string_view body, const std::string& header,
                 const std::string& value) {
    auto request = request_of(sender(forge), body);
    request.headers.emplace_back(header, value);
    return request;
}

bool passes(const std::string& forge, const HookRequest& request,
            const std::string& secret = kSecret) {
    return table()
        .find(forge, request)
        ->verify(request, {Secret("old"), Secret(secret)})
        .has_value();
}

std::string hmac(std::string_view text) {
    return test::hex(test::hmac(EVP_sha256(), kSecret, text));
}

std::string basic(const std::string& pair) {
    return "Basic " + test::base64(pair);
}

TEST(Signing, GiteaSignsTheTextWithinAForm) {
    const std::string text = R"({"ref":"a b+c%d&e=ü"})";
    const auto form = test::form_encoded(text);
    auto made = with("gitea", form, "X-Gitea-Signature", hmac(text));
    made.headers[1].second = "application/x-www-form-urlencoded";
    EXPECT_TRUE(passes("gitea", made));
    EXPECT_FALSE(passes("github", made));  // which would sign the form
    made.headers.back().second = hmac(form);
    EXPECT_FALSE(passes("gitea", made));
}

TEST(Signing, JudgesAFormInPiecesOfAnySize) {
    const std::string text = R"({"ref":"a b+c%d&e=ü"})";
    const auto form = "before=1&" + test::form_encoded(text) + "&after=2";
    auto made = with("gitea", form, "X-Gitea-Signature", hmac(text));
    made.headers[1].second = "application/x-www-form-urlencoded";
    for (std::size_t size = 1; size < 12; ++size) {
        auto check = table().find("gitea", made)->check(made, {Secret(kSecret)});
        for (std::size_t at = 0; at < form.size(); at += size)
            check->feed(std::string_view(form).substr(at, size));
        EXPECT_TRUE(check->finish(form)) << size;
    }
}

std::string digest_by(const HookRequest& request, const std::vector<Secret>& secrets) {
    auto check = table().find("auto", request)->check(request, secrets);
    check->feed(request.body);
    static_cast<void>(check->finish(request.body));
    return check->digest();
}

TEST(Signing, ASignatureOfTheBodyAloneIsItsDigestAsWell) {
    const std::vector<Secret> secrets = {Secret(kSecret), Secret("new")};
    auto made = with("github", "{}", "X-Hub-Signature-256", "sha256=" + hmac("{}"));
    EXPECT_EQ(digest_by(made, secrets), hmac("{}"));
    made.headers.back().second = "sha256=" + test::hex(test::hmac(EVP_sha256(), "new", "{}"));
    EXPECT_EQ(digest_by(made, secrets), hmac("{}")) << "whichever secret it was signed with";
    made.body = "{ }";
    EXPECT_EQ(digest_by(made, secrets), hmac("{ }"));
    EXPECT_EQ(digest_by(with("gitlab", "{}", "X-Gitlab-Token", kSecret), secrets), "");
    auto standard = with("generic", "{}", "webhook-id", "msg_1");
    EXPECT_EQ(digest_by(standard, secrets), "") << "over the message's id and time too";
}

TEST(Signing, GiteaSignsTheTextWithinAQuery) {
    const std::string text = "{\n  \"ref\": \"refs/heads/a+b\"\n}";
    for (const std::string forge : {"gitea", "forgejo"}) {
        auto made = with(forge, "", "X-Gitea-Signature", hmac(text));
        made.method = "GET";
        made.target = "/hooks/shop?" + test::form_encoded(text);
        EXPECT_TRUE(passes(forge, made));
        made.body = "{}";
        EXPECT_FALSE(passes(forge, made));
        made.body = "";
        made.target += "&payload=x";  // signed once, but two: refused when it is read
        EXPECT_FALSE(table().find(forge, made)->parse(made));
    }
}

TEST(Signing, OnlyGiteaAndForgejoDeliverByGet) {
    for (const auto& from : senders()) {
        auto made = request_of(from, "");
        made.method = "GET";
        made.target = "/hooks/shop?payload=%7B%7D";
        auto push = table().find(from.name, made)->parse(made);
        ASSERT_FALSE(push);
        bool is_post = push.error().message == "this forge's deliveries are POST requests";
        EXPECT_EQ(is_post, from.name != "gitea" && from.name != "forgejo") << push.error().message;
    }
}

TEST(Signing, GogsTakesItsOwnHeaderAlone) {
    EXPECT_TRUE(passes("gogs", with("gogs", "{}", "X-Gogs-Signature", hmac("{}"))));
    EXPECT_FALSE(passes("gogs", with("gogs", "{}", "X-Gitea-Signature", hmac("{}"))));
    EXPECT_FALSE(passes("gogs", with("gogs", "{}", "Authorization", kSecret)));
}

TEST(Signing, GiteaSendsAnAuthorizationHeaderOfTheUsersOwn) {
    for (const std::string forge : {"gitea", "forgejo"})
        for (const auto& [value, good] : {std::pair{kSecret, true},
                                          {"Bearer " + kSecret, true},
                                          {"bearer  " + kSecret, true},
                                          {"token " + kSecret, true},
                                          {basic("belay:" + kSecret), true},
                                          {basic(kSecret), true},
                                          {"Bearer" + kSecret, false},
                                          {"Digest " + kSecret, false},
                                          {"Bearer", false},
                                          {"Bearer ", false},
                                          {"Basic ", false},
                                          {basic(":"), false},
                                          {basic(kSecret + ":"), false},
                                          {basic("belay:" + kSecret + "x"), false},
                                          {"Basic " + kSecret, false}})
            EXPECT_EQ(passes(forge, with(forge, "{}", "Authorization", value)), good) << value;
}

TEST(Signing, BasicIsThePasswordOrUserAndPassword) {
    for (const std::string forge : {"bitbucket-server", "azure-devops"}) {
        auto made = with(forge, "{}", "Authorization", basic("belay:pass:word"));
        EXPECT_TRUE(passes(forge, made, "pass:word"));
        EXPECT_TRUE(passes(forge, made, "belay:pass:word"));
        EXPECT_FALSE(passes(forge, made, "word"));
        EXPECT_FALSE(passes(forge, made, "belay"));
        EXPECT_FALSE(passes(forge, made, "belay:pass"));
    }
    for (const std::string forge :
         {"github", "gitlab", "gogs", "bitbucket-cloud", "gitee", "generic"})
        EXPECT_FALSE(passes(forge, with(forge, "{}", "Authorization", basic("belay:" + kSecret))))
            << forge;
}

TEST(Signing, AzureTakesAHeaderOfAnyName) {
    EXPECT_TRUE(passes("azure-devops", with("azure-devops", "{}", "X-Deploy-Key", kSecret)));
    EXPECT_FALSE(passes("azure-devops", with("azure-devops", "{}", kSecret, "x")));
    for (const std::string forge : {"github", "gitlab", "gitea", "bitbucket-server", "generic"})
        EXPECT_FALSE(passes(forge, with(forge, "{}", "X-Deploy-Key", kSecret))) << forge;
}

TEST(Signing, SomeTakeTheSecretInTheQuery) {
    for (const auto& from : senders()) {
        auto made = request_of(from, "{}");
        made.target += "?a=b&token=" + test::form_encoded(kSecret).substr(8);
        bool takes = from.name == "bitbucket-cloud" || from.name == "bitbucket-server" ||
                     from.name == "generic";
        EXPECT_EQ(passes(from.name, made), takes) << from.name;
        made.target = "/hooks/shop?" + test::form_encoded(kSecret).substr(8);
        EXPECT_FALSE(passes(from.name, made)) << from.name;
    }
}

TEST(Signing, BitbucketsHeaderIsSha256AndNeverSha1) {
    auto sha1 = test::hex(test::hmac(EVP_sha1(), kSecret, "{}"));
    for (const std::string forge : {"bitbucket-cloud", "bitbucket-server"}) {
        EXPECT_TRUE(passes(forge, with(forge, "{}", "X-Hub-Signature", "sha256=" + hmac("{}"))));
        EXPECT_FALSE(passes(forge, with(forge, "{}", "X-Hub-Signature", "sha1=" + sha1)));
        EXPECT_FALSE(passes(forge, with(forge, "{}", "X-Hub-Signature", hmac("{}"))));
    }
}

TEST(Signing, GitlabTakesTheTokenOrTheSigningToken) {
    EXPECT_TRUE(passes("gitlab", with("gitlab", "{}", "X-Gitlab-Token", kSecret)));
    EXPECT_FALSE(passes("gitlab", with("gitlab", "{}", "X-Gitlab-Token", kSecret + " ")));
    auto made = with("gitlab", "{}", "webhook-id", "i");
    made.headers.emplace_back("webhook-timestamp", "1700000000");
    made.headers.emplace_back("webhook-signature",
                              test::standard_signature(kSecret, "i", "1700000000", "{}"));
    EXPECT_TRUE(passes("gitlab", made));
    made.received_at += Seconds(301);
    EXPECT_FALSE(passes("gitlab", made));
    made.headers.emplace_back("X-Gitlab-Token", "wrong");
    EXPECT_FALSE(passes("gitlab", made));
}

TEST(Signing, GiteesSignEndsAfterAnHour) {
    auto sign = test::base64(test::hmac(EVP_sha256(), kSecret, "1700000000000\n" + kSecret));
    for (auto [offset, good] :
         {std::pair{3600, true}, {3601, false}, {-3600, true}, {-3601, false}}) {
        auto made = with("gitee", "{}", "X-Gitee-Token", sign);
        made.headers.emplace_back("X-Gitee-Timestamp", "1700000000000");
        made.received_at += Seconds(offset);
        EXPECT_EQ(passes("gitee", made), good) << offset;
    }
}

TEST(Signing, GiteesSignMayBeUrlEncoded) {
    for (int i = 0; i < 30; ++i) {
        auto timestamp = std::to_string(1'700'000'000'000 + i);
        auto sign = test::base64(test::hmac(EVP_sha256(), kSecret, timestamp + "\n" + kSecret));
        for (const auto& token : {sign, test::form_encoded(sign).substr(8)}) {
            auto made = with("gitee", "{}", "X-Gitee-Token", token);
            made.headers.emplace_back("X-Gitee-Timestamp", timestamp);
            EXPECT_TRUE(passes("gitee", made)) << token;
        }
    }
}

TEST(Signing, GiteesTimestampMustBeANumber) {
    for (const std::string timestamp : {"", "x", "1.7e12", "-1", "99999999999999999999999"}) {
        auto made =
            with("gitee", "{}", "X-Gitee-Token",
                 test::base64(test::hmac(EVP_sha256(), kSecret, timestamp + "\n" + kSecret)));
        made.headers.emplace_back("X-Gitee-Timestamp", timestamp);
        EXPECT_FALSE(passes("gitee", made)) << timestamp;
    }
}

TEST(Signing, SourcehutSignsTheBodyAndTheNonce) {
    const test::Ed25519 instance, other;
    auto accepts = [&](const std::string& body, const std::string& nonce,
                       const std::string& signature, const test::Ed25519& key) {
        auto made = with("sourcehut", body, "X-Payload-Nonce", nonce);
        made.headers.emplace_back("X-Payload-Signature", signature);
        return passes("sourcehut", made, key.public_key());
    };
    auto good = instance.sign("{}abc");
    EXPECT_TRUE(accepts("{}", "abc", good, instance));
    EXPECT_FALSE(accepts("{}", "abd", good, instance));
    EXPECT_FALSE(accepts("{ }", "abc", good, instance));
    EXPECT_FALSE(accepts("{}", "abc", good, other));
    EXPECT_FALSE(accepts("{}", "abc", "", instance));
    EXPECT_FALSE(accepts("{}", "abc", good.substr(4), instance));
    EXPECT_FALSE(accepts("{}", "abc", test::base64(std::string(64, '\0')), instance));
    auto bytes = std::string("{}abc");
    for (std::size_t at = 0; at < good.size() - 3; ++at) {
        auto flipped = good;
        flipped[at] = flipped[at] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(accepts("{}", "abc", flipped, instance)) << at;
    }
    std::string large(256 << 10, ' ');
    EXPECT_TRUE(accepts(large, "abc", instance.sign(large + "abc"), instance));
    large += ' ';
    EXPECT_FALSE(accepts(large, "abc", instance.sign(large + "abc"), instance));
}

TEST(Signing, StandardWebhooksTakesAsymmetricSignatures) {
    const test::Ed25519 sender_key, other;
    auto signature = "v1a," + sender_key.sign("i.1700000000.{}");
    auto accepts = [&](const std::string& list, const std::string& secret) {
        auto made = request_of(sender("generic"), "{}");
        made.headers = {
            {"webhook-id", "i"}, {"webhook-timestamp", "1700000000"}, {"webhook-signature", list}};
        return passes("generic", made, secret);
    };
    auto key = "whpk_" + sender_key.public_key();
    EXPECT_TRUE(accepts(signature, key));
    EXPECT_TRUE(accepts("v1," + test::base64(std::string(32, 'x')) + " " + signature, key));
    EXPECT_TRUE(accepts("v1a," + other.sign("i.1700000000.{}") + " " + signature, key));
    EXPECT_FALSE(accepts(signature, "whpk_" + other.public_key()));
    EXPECT_FALSE(accepts(signature, sender_key.public_key()));  // a text, not a key
    EXPECT_FALSE(accepts("v1," + signature.substr(4), key));
    std::string many;
    for (int i = 0; i < 10'000; ++i)
        many += "v1a," + test::base64(std::string(64, 'x')) + " ";
    EXPECT_FALSE(accepts(many + signature, key));
}

TEST(Signing, GenericTakesABearerToken) {
    EXPECT_TRUE(passes("generic", with("generic", "{}", "Authorization", "Bearer " + kSecret)));
    EXPECT_FALSE(passes("generic", with("generic", "{}", "Authorization", kSecret)));
    EXPECT_FALSE(passes("generic", with("generic", "{}", "Authorization", "Bearer x")));
}

}  // namespace
}  // namespace belay::forge
