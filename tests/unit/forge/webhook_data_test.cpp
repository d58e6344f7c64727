// Every collected delivery, in every encoding and scheme of ours, is read exactly as its `expect`
// says.
#include "support/signing.hpp"

#include <belay/forge/forge.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
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
    if (const char* named = std::getenv("BELAY_WEBHOOKS"))
        found.emplace_back(named);
    else if (auto beside = fs::path(BELAY_SOURCE_DIR) / "../shared/webhooks"; fs::exists(beside))
        found.push_back(beside);
    return found;
}

struct Delivery {
    json meta;
    HookRequest request;
    std::string body;  // owns request.body
};

void set_header(HookRequest& request, const std::string& name, std::string value) {
    std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
    request.headers.emplace_back(name, std::move(value));
}

void sign(Delivery& delivery, const std::string& scheme) {
    auto& request = delivery.request;
    if (scheme == "github-hmac-sha256") {
        set_header(request, "X-Hub-Signature-256", test::github_signature(kSecret, delivery.body));
    } else if (scheme == "github-hmac-sha1") {
        set_header(request, "X-Hub-Signature",
                   "sha1=" + test::hex(test::hmac(EVP_sha1(), kSecret, delivery.body)));
    } else if (scheme == "standard-webhooks") {
        std::string id = "msg_1", timestamp = "1700000000";
        if (auto named = request.header("webhook-id"); !named.empty()) id = named;
        if (auto named = request.header("webhook-timestamp"); !named.empty()) timestamp = named;
        set_header(request, "webhook-id", id);
        set_header(request, "webhook-timestamp", timestamp);
        set_header(request, "webhook-signature",
                   test::standard_signature(kSecret, id, timestamp, delivery.body));
        request.received_at = TimePoint(Seconds(std::stoll(timestamp) + 1));
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

json shape(const std::optional<domain::Repository>& repository) {
    if (!repository) return {};
    return {{"full_name", shape(repository->full_name)},
            {"web_url", shape(repository->web_url)},
            {"clone_http", shape(repository->clone_http)},
            {"clone_ssh", shape(repository->clone_ssh)}};
}

void expect_reading(const json& expect, const domain::Push& push) {
    auto kinds = expect.at("accept_kinds");
    EXPECT_NE(std::find(kinds.begin(), kinds.end(), to_string(push.kind)), kinds.end())
        << to_string(push.kind);
    json changes = json::array();
    for (const auto& change : push.changes)
        changes.push_back(shape(change));
    EXPECT_EQ(changes, expect.at("changes"));
    auto repository = expect.at("repo");
    if (repository.is_object())
        repository.erase("clone_derived");  // a convention, not the body's word
    EXPECT_EQ(shape(push.repository), repository);
    if (expect.at("commits").is_object() && expect.at("commits").at("head_message").is_string() &&
        !push.head_message.empty()) {
        EXPECT_EQ(push.head_message, expect.at("commits").at("head_message"));
    }
}

// Whether it was one of the schemes that are accepted.
bool judge(Delivery& delivery, const std::string& scheme) {
    static const std::set<std::string> kAccepted{"github-hmac-sha256", "standard-webhooks"};
    sign(delivery, scheme);
    const auto* forge = table().find("auto", delivery.request);
    if (!kAccepted.contains(scheme)) {
        if (forge) {
            EXPECT_FALSE(forge->verify(delivery.request, {Secret(std::string(kSecret))}));
        }
        return false;
    }
    if (!forge) {
        ADD_FAILURE() << "no forge recognises it";
        return false;
    }
    EXPECT_EQ(forge->name(), delivery.meta.at("forge").get<std::string>());
    EXPECT_TRUE(forge->verify(delivery.request, {Secret("another"), Secret(std::string(kSecret))}));
    EXPECT_FALSE(forge->verify(delivery.request, {Secret("another")}));
    auto push = forge->parse(delivery.request);
    if (!push)
        ADD_FAILURE() << push.error().message;
    else
        expect_reading(delivery.meta.at("expect"), *push);
    return true;
}

int judge_all(const fs::path& folder) {
    int judged = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        auto path = entry.path().string();
        if (!path.ends_with(".meta.json")) continue;
        auto meta = json::parse(read_file(path));
        auto text = read_file(folder / meta.at("body").at("file").get<std::string>());
        for (const std::string encoding : meta.at("encodings"))
            for (const std::string scheme : meta.at("auth")) {
                SCOPED_TRACE(path + " " + encoding + " " + scheme);
                Delivery delivery{meta, {}, encoding == "form" ? test::form_encoded(text) : text};
                delivery.request.method = "POST";
                delivery.request.body = delivery.body;
                for (const auto& [name, value] : meta.at("headers").items())
                    set_header(delivery.request, name, value);
                if (encoding == "form")
                    set_header(delivery.request, "Content-Type",
                               "application/x-www-form-urlencoded");
                judged += judge(delivery, scheme) ? 1 : 0;
            }
    }
    return judged;
}

TEST(WebhookData, GithubsDeliveriesAreReadAsExpected) {
    for (const auto& directory : directories())
        EXPECT_GE(judge_all(directory / "github"), 80) << directory;
}

TEST(WebhookData, GenericDeliveriesAreReadAsExpected) {
    for (const auto& directory : directories())
        EXPECT_GE(judge_all(directory / "generic"), 2) << directory;
}

}  // namespace
}  // namespace belay::forge
