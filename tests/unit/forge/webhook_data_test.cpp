// Every collected delivery, in every encoding and by every scheme that its forge has, is let in by
// the secret alone and read exactly as its `expect` says.
#include "support/signing.hpp"

#include <belay/forge/forge.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace belay::forge {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ports::HookRequest;

constexpr std::string_view kSecret = "correct horse battery staple";

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<fs::path> directories() {
    std::vector<fs::path> found{fs::path(BELAY_SOURCE_DIR) / "tests/data/webhooks"};
    if (const char* named = std::getenv("BELAY_WEBHOOKS")) found.emplace_back(named);
    return found;
}

struct Delivery {
    json meta;
    std::string json_text;
    std::string body;  // owns request.body
    HookRequest request;
    std::string secret{kSecret};

    std::string forge() const { return meta.at("forge"); }
    bool signs_text() const {
        return forge() == "gitea" || forge() == "forgejo" || forge() == "gogs";
    }
};

void set_header(HookRequest& request, const std::string& name, std::string value) {
    std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
    request.headers.emplace_back(name, std::move(value));
}

std::string header_or(const HookRequest& request, const char* name, std::string otherwise) {
    auto value = request.header(name);
    return value.empty() ? otherwise : std::string(value);
}

void sign_by_standard_webhooks(Delivery& delivery) {
    auto& request = delivery.request;
    auto id = header_or(request, "webhook-id", "msg_1");
    auto timestamp = header_or(request, "webhook-timestamp", "1700000000");
    set_header(request, "webhook-id", id);
    set_header(request, "webhook-timestamp", timestamp);
    set_header(request, "webhook-signature",
               test::standard_signature(delivery.secret, id, timestamp, delivery.body));
    request.received_at = TimePoint(Seconds(std::stoll(timestamp) + 1));
}

void sign_as_gitee(Delivery& delivery) {
    auto& request = delivery.request;
    auto timestamp = header_or(request, "X-Gitee-Timestamp", "1700000000000");
    set_header(request, "X-Gitee-Timestamp", timestamp);
    set_header(request, "X-Gitee-Token",
               test::base64(
                   test::hmac(EVP_sha256(), delivery.secret, timestamp + "\n" + delivery.secret)));
    request.received_at = TimePoint(Millis(std::stoll(timestamp) + 1000));
}

void sign_as_sourcehut(Delivery& delivery) {
    static const test::Ed25519 instance;
    auto nonce = header_or(delivery.request, "X-Payload-Nonce", "0123");
    set_header(delivery.request, "X-Payload-Nonce", nonce);
    set_header(delivery.request, "X-Payload-Signature", instance.sign(delivery.body + nonce));
    delivery.secret = "whpk_" + instance.public_key();
}

void sign(Delivery& delivery, const std::string& scheme) {
    auto& request = delivery.request;
    const auto& secret = delivery.secret;
    const auto& text = delivery.signs_text() ? delivery.json_text : delivery.body;
    auto hmac = test::hex(test::hmac(EVP_sha256(), secret, text));
    if (scheme == "github-hmac-sha256") {
        set_header(request, "X-Hub-Signature-256", "sha256=" + hmac);
    } else if (scheme == "github-hmac-sha1") {
        set_header(request, "X-Hub-Signature",
                   "sha1=" + test::hex(test::hmac(EVP_sha1(), secret, text)));
    } else if (scheme == "gitea-hmac-sha256") {
        set_header(request, "X-Gitea-Signature", hmac);
    } else if (scheme == "forgejo-hmac-sha256") {
        set_header(request, "X-Forgejo-Signature", hmac);
    } else if (scheme == "gogs-hmac-sha256") {
        set_header(request, "X-Gogs-Signature", hmac);
    } else if (scheme == "bitbucket-hmac") {
        set_header(request, "X-Hub-Signature", "sha256=" + hmac);
    } else if (scheme == "standard-webhooks") {
        sign_by_standard_webhooks(delivery);
    } else if (scheme == "gitlab-token") {
        set_header(request, "X-Gitlab-Token", secret);
    } else if (scheme == "gitee-sign") {
        sign_as_gitee(delivery);
    } else if (scheme == "gitee-password") {
        set_header(request, "X-Gitee-Token", secret);
    } else if (scheme == "sourcehut-ed25519") {
        sign_as_sourcehut(delivery);
    } else if (scheme == "basic") {
        set_header(request, "Authorization", "Basic " + test::base64("belay:" + secret));
    } else if (scheme == "bearer") {
        set_header(request, "Authorization", "Bearer " + secret);
    } else if (scheme == "authorization-header") {
        set_header(request, "Authorization", secret);
    } else if (scheme == "custom-header") {
        set_header(request, "X-Anything", secret);
    } else if (scheme == "query-secret") {
        request.target += "?secret=" + test::form_encoded(secret).substr(8);
    } else {
        ADD_FAILURE() << "an unknown scheme: " << scheme;
    }
}

json shape(const std::string& text) {
    return text.empty() ? json() : json(text);
}

json shape(const domain::Change& change) {
    auto id = [](const std::optional<std::string>& value) { return value ? json(*value) : json(); };
    return {{"kind", to_string(change.kind)},
            {"ref", change.ref},
            {"ref_type", to_string(change.ref_type)},
            {"name", change.name},
            {"before", id(change.before)},
            {"after", id(change.after)},
            {"commit", id(change.commit)},
            {"created", change.created},
            {"deleted", change.deleted},
            {"forced", change.forced ? json(*change.forced) : json()}};
}

void expect_repository(const json& expected, const std::optional<domain::Repository>& repository) {
    ASSERT_EQ(expected.is_object(), repository.has_value());
    if (!repository) return;
    EXPECT_EQ(shape(repository->full_name), expected.at("full_name"));
    EXPECT_EQ(shape(repository->web_url), expected.at("web_url"));
    EXPECT_EQ(shape(repository->clone_http), expected.at("clone_http"));
    EXPECT_EQ(shape(repository->clone_ssh), expected.at("clone_ssh"));
    if (!expected.contains("clone_derived")) return;
    const auto& derived = expected.at("clone_derived");
    EXPECT_EQ(shape(repository->derived_http), derived.value("http", json()));
    EXPECT_EQ(shape(repository->derived_ssh), derived.value("ssh", json()));
}

void expect_reading(const json& expect, const domain::Push& push) {
    auto kinds = expect.at("accept_kinds");
    EXPECT_NE(std::find(kinds.begin(), kinds.end(), to_string(push.kind)), kinds.end())
        << to_string(push.kind);
    json changes = json::array();
    for (const auto& change : push.changes)
        changes.push_back(shape(change));
    EXPECT_EQ(changes, expect.at("changes"));
    expect_repository(expect.at("repo"), push.repository);
    if (expect.at("pusher").is_string()) {
        EXPECT_EQ(push.pusher, expect.at("pusher"));
    }
    if (expect.at("commits").is_object()) {
        EXPECT_EQ(shape(push.head_message), expect.at("commits").at("head_message"));
    }
}

void judge(Delivery& delivery, const std::string& scheme, const std::string& name) {
    const auto* forge = table().find(name, delivery.request);
    ASSERT_TRUE(forge) << "no forge recognises it";
    EXPECT_EQ(forge->name(), delivery.forge());
    const Secret secret(delivery.secret);
    if (scheme == "github-hmac-sha1") {  // never the request's choice
        EXPECT_FALSE(forge->verify(delivery.request, {secret}));
        return;
    }
    EXPECT_TRUE(forge->verify(delivery.request, {Secret("another"), secret}));
    EXPECT_FALSE(forge->verify(delivery.request, {Secret("another"), Secret("")}));
    EXPECT_FALSE(forge->verify(delivery.request, {}));
    auto push = forge->parse(delivery.request);
    ASSERT_TRUE(push) << push.error().message;
    expect_reading(delivery.meta.at("expect"), *push);
    EXPECT_EQ(push->body_authentic, delivery.forge() != "gitee");
}

Delivery make_delivery(const json& meta, const std::string& text, const std::string& encoding) {
    Delivery delivery;
    delivery.meta = meta;
    delivery.json_text = text;
    delivery.body = encoding == "json"   ? text
                    : encoding == "form" ? test::form_encoded(text)
                                         : std::string();
    auto& request = delivery.request;
    request.method = encoding == "get" ? "GET" : "POST";
    request.target = "/hooks/shop";
    if (encoding == "get") request.target += "?" + test::form_encoded(text);
    for (const auto& [name, value] : meta.at("headers").items())
        set_header(request, name, value);
    if (encoding == "form")
        set_header(request, "Content-Type", "application/x-www-form-urlencoded");
    return delivery;
}

// How many combinations were judged.
int judge_all(const std::string& forge) {
    int judged = 0;
    for (const auto& directory : directories()) {
        if (!fs::is_directory(directory / forge)) continue;
        for (const auto& entry : fs::directory_iterator(directory / forge)) {
            auto path = entry.path().string();
            if (!path.ends_with(".meta.json")) continue;
            auto meta = json::parse(read_file(path));
            auto text =
                read_file(directory / forge / meta.at("body").at("file").get<std::string>());
            for (const std::string encoding : meta.at("encodings"))
                for (const std::string scheme : meta.at("auth"))
                    for (const auto& name : {std::string("auto"), forge}) {
                        SCOPED_TRACE(path + " " + encoding + " " + scheme + " " + name);
                        auto delivery = make_delivery(meta, text, encoding);
                        sign(delivery, scheme);
                        delivery.request.body = delivery.body;
                        judge(delivery, scheme, name);
                        ++judged;
                    }
        }
    }
    return judged;
}

struct Case {
    const char* forge;
    int at_least;
};

class WebhookData : public ::testing::TestWithParam<Case> {};

TEST_P(WebhookData, IsReadAsExpected) {
    EXPECT_GE(judge_all(GetParam().forge), GetParam().at_least);
}

INSTANTIATE_TEST_SUITE_P(Forges, WebhookData,
                         ::testing::Values(Case{"github", 340}, Case{"gitlab", 92},
                                           Case{"gitea", 288}, Case{"forgejo", 168},
                                           Case{"gogs", 32}, Case{"bitbucket-cloud", 46},
                                           Case{"bitbucket-server", 75}, Case{"azure-devops", 36},
                                           Case{"gitee", 28}, Case{"sourcehut", 10},
                                           Case{"generic", 12}),
                         [](const auto& instance) {
                             std::string name = instance.param.forge;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace belay::forge
