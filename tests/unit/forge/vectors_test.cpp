// Digests that the forges' own projects and manuals publish: each passes, and none does with a bit
// flipped in it or in what it covers.
#include <belay/forge/forge.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace belay::forge {
namespace {

using ports::HookRequest;

struct Vector {
    std::string name;
    std::string forge;
    std::string secret;
    std::string header;
    std::string prefix;     // before the digest
    std::string signature;  // the digest
    std::string body;       // or the file with it
    std::vector<std::pair<std::string, std::string>> headers = {};
    bool covers_body = true;
};

std::string body_of(const Vector& vector) {
    if (!vector.body.ends_with(".json")) return vector.body;
    std::ifstream file(std::string(BELAY_SOURCE_DIR) + "/tests/data/webhooks/" + vector.body,
                       std::ios::binary);
    EXPECT_TRUE(file) << vector.body;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

bool passes(const Vector& vector, const std::string& signature, std::string_view body,
            const std::string& secret) {
    HookRequest request;
    request.method = "POST";
    request.headers = vector.headers;
    request.headers.emplace_back(vector.header, signature);
    request.body = body;
    request.received_at = vector.forge == "gitee" ? TimePoint(Millis(1'633'680'073'933))
                                                  : TimePoint(Seconds(1'700'000'000));
    return table().find(vector.forge, request)->verify(request, {Secret(secret)}).has_value();
}

// reference/webhooks.md §10 says where each is from.
const std::vector<Vector> kVectors{
    {"GithubManual", "github", "It's a Secret to Everybody", "X-Hub-Signature-256", "sha256=",
     "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "Hello, World!"},
    {"GiteaCreate", "gitea", "IsWishesWereHorsesWedAllBeEatingSteak!", "X-Gitea-Signature", "",
     "6f250ac7a090096574758e31bd31770eab63dfd0459404f0c18431f1c6b9024a",
     "gitea/gpw-create-event.json"},
    {"GiteaDelete", "gitea", "IsWishesWereHorsesWedAllBeEatingSteak!", "X-Gitea-Signature", "",
     "84307b509e663cd897bc719b2a564e64fa4af8716fda389488f18369139e0fdd",
     "gitea/gpw-delete-event.json"},
    {"GogsPush", "gogs", "sampleToken!", "X-Gogs-Signature", "",
     "83d4163fb936904aeb9ffd6ce22cf86e4b36273b2e1c63a57f5a6ddc371ce3ba",
     "gogs/gpw-push-event.json"},
    {"BitbucketPr", "bitbucket-server", "secret", "X-Hub-Signature",
     "sha256=", "b82c323978a741aa256c0a6bfa13a8f211e1795bd8ddb2641ced122769f7a7c6",
     "bitbucket-server/gpw-pr-opened.json"},
    {"BitbucketComment", "bitbucket-server", "this is secret", "X-Hub-Signature",
     "sha256=", "87e3e7b7e4567f528342a75b6d88c619f272c68a4d0d565c68d596a830213164",
     "bitbucket-server/gwt-captured-comment-added.json"},
    {"Gitee",
     "gitee",
     "bBg5lrt03VixkX85CNqYIcecC0SIGASE",
     "X-Gitee-Token",
     "",
     "EDYOaI5dlyJgaiRE3jAe/fwaqZPNt1kLsRW1HY0p4tA=",
     "gitee/goscm-tag-create.json",
     {{"X-Gitee-Timestamp", "1633680073933"}},
     false},
    {"StandardWebhooks",
     "generic",
     "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
     "webhook-signature",
     "v1,",
     "cM4d5Vrmn14cxl8PHRgPeuVIu2Pd2AgRFITmGZEMTr0=",
     R"({"ref":"refs/heads/main"})",
     {{"webhook-id", "msg_2b6d7f"}, {"webhook-timestamp", "1700000000"}}},
    {"GitlabSigningToken",
     "gitlab",
     "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
     "webhook-signature",
     "v1,",
     "cM4d5Vrmn14cxl8PHRgPeuVIu2Pd2AgRFITmGZEMTr0=",
     R"({"ref":"refs/heads/main"})",
     {{"webhook-id", "msg_2b6d7f"}, {"webhook-timestamp", "1700000000"}}},
};

class Vectors : public ::testing::TestWithParam<Vector> {};

TEST_P(Vectors, PassesAsPublished) {
    const auto& vector = GetParam();
    auto body = body_of(vector);
    EXPECT_TRUE(passes(vector, vector.prefix + vector.signature, body, vector.secret));
    EXPECT_FALSE(passes(vector, vector.prefix + vector.signature, body, vector.secret + "x"));
    EXPECT_FALSE(passes(vector, vector.prefix + vector.signature, body, ""));
}

TEST_P(Vectors, FailsWithABitFlipped) {
    const auto& vector = GetParam();
    auto body = body_of(vector);
    auto good = vector.prefix + vector.signature;
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int bit = 0; bit < 7; ++bit) {
            auto flipped = good;
            flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
            // The case of hex digits says nothing.
            if (bit == 5 && at >= vector.prefix.size() && vector.signature.size() == 64 &&
                std::isalpha(good[at]))
                continue;
            EXPECT_FALSE(passes(vector, flipped, body, vector.secret)) << flipped;
        }
    auto step = body.size() / 50 + 1;
    for (std::size_t at = 0; at < body.size(); at += step) {
        auto flipped = body;
        flipped[at] = static_cast<char>(flipped[at] ^ 1);
        EXPECT_EQ(passes(vector, good, flipped, vector.secret), !vector.covers_body) << at;
    }
}

TEST_P(Vectors, FailsWithASignatureThatIsNone) {
    const auto& vector = GetParam();
    auto body = body_of(vector);
    const auto& digest = vector.signature;
    for (const auto& bad :
         {std::string(), vector.prefix, vector.prefix + " ", std::string("sha256="),
          std::string("sha256"), std::string("s"), std::string("v1,"), std::string("v1"),
          std::string("="), vector.prefix + digest.substr(1), vector.prefix + digest + "0",
          vector.prefix + digest.substr(0, digest.size() - 1), "sha1=" + digest, "x" + digest,
          vector.prefix + std::string(digest.size(), '0'), std::string(1'000'000, 'a'),
          vector.prefix + std::string(1'000'000, ' ') + digest})
        EXPECT_FALSE(passes(vector, bad, body, vector.secret)) << bad.substr(0, 100);
}

INSTANTIATE_TEST_SUITE_P(Published, Vectors, ::testing::ValuesIn(kVectors),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace belay::forge
