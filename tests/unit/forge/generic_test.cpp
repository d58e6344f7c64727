#include "support/signing.hpp"

#include <belay/forge/forge.hpp>

#include <gtest/gtest.h>

namespace belay::forge {
namespace {

using ports::HookRequest;

HookRequest request(std::string_view body) {
    HookRequest made;
    made.method = "POST";
    made.headers = {{"webhook-id", "msg_2b6d7f"},
                    {"webhook-timestamp", "1700000000"},
                    {"Content-Type", "application/json"}};
    made.body = body;
    made.received_at = TimePoint(Seconds(1'700'000'000));
    return made;
}

const ports::Forge& generic() {
    return *table().find("generic", HookRequest());
}

bool accepts(HookRequest made, const std::string& signature, const Secret& secret) {
    made.headers.emplace_back("webhook-signature", signature);
    return generic().verify(made, {secret}).has_value();
}

// reference/webhooks.md §10
const std::string kBody = R"({"ref":"refs/heads/main"})";
const std::string kVector = "v1,cM4d5Vrmn14cxl8PHRgPeuVIu2Pd2AgRFITmGZEMTr0=";
const Secret kSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");

TEST(Generic, AcceptsTheTestVector) {
    EXPECT_TRUE(accepts(request(kBody), kVector, kSecret));
}

TEST(Generic, AcceptsAnyOfSeveralSignatures) {
    EXPECT_TRUE(accepts(request(kBody), "v1a,AAAA v2,x v1,AAAA " + kVector, kSecret));
    EXPECT_FALSE(accepts(request(kBody), "v1a," + kVector.substr(3), kSecret));
    EXPECT_FALSE(accepts(request(kBody), kVector.substr(3), kSecret));
    EXPECT_FALSE(accepts(request(kBody), "v1,", kSecret));
    EXPECT_FALSE(accepts(request(kBody), "", kSecret));
}

TEST(Generic, TakesASecretWithoutPrefixAsItIs) {
    auto signature = test::standard_signature("plain text", "msg_2b6d7f", "1700000000", kBody);
    EXPECT_TRUE(accepts(request(kBody), signature, Secret("plain text")));
    EXPECT_FALSE(accepts(request(kBody), signature, Secret("plain texT")));
}

TEST(Generic, RefusesTimestampsFurtherThanFiveMinutes) {
    for (auto [offset, good] : {std::pair{300, true}, {301, false}, {-300, true}, {-301, false}}) {
        auto made = request(kBody);
        made.received_at += Seconds(offset);
        EXPECT_EQ(accepts(made, kVector, kSecret), good) << offset;
    }
}

TEST(Generic, RefusesATimestampThatIsNoNumberEvenIfSigned) {
    for (const std::string timestamp :
         {"", "1.7e9", "17000000000000000000000", "-1700000000", "1700000000 "}) {
        auto made = request(kBody);
        made.headers[1].second = timestamp;
        auto signature = test::standard_signature("k", "msg_2b6d7f", timestamp, kBody);
        EXPECT_FALSE(accepts(made, signature, Secret("k"))) << timestamp;
    }
}

TEST(Generic, RefusesIdsThatCouldMoveTheDots) {
    for (const std::string id : {"", "a.1700000000"}) {
        auto made = request(kBody);
        made.headers[0].second = id;
        EXPECT_FALSE(
            accepts(made, test::standard_signature("k", id, "1700000000", kBody), Secret("k")))
            << id;
    }
}

TEST(Generic, ReadsSeveralChanges) {
    const std::string a(40, 'a'), b(40, 'b');
    auto body = R"({"data":{"changes":[{"ref":"refs/heads/main","before":")" + a +
                R"(","after":")" + b + R"("},{"ref":"refs/tags/v1","before":null,"after":")" + b +
                R"(","commit":")" + a + R"("},{"ref":"refs/notes/x","after":")" + a +
                R"("}],"repository":"/srv/git/shop.git"},"type":"push"})";
    auto push = generic().parse(request(body));
    ASSERT_TRUE(push) << push.error().message;
    EXPECT_EQ(push->kind, domain::PushKind::mixed);
    EXPECT_EQ(push->delivery_id, "msg_2b6d7f");
    ASSERT_EQ(push->changes.size(), 2u);
    EXPECT_EQ(push->changes[0].commit, b);
    EXPECT_FALSE(push->changes[0].created);
    EXPECT_EQ(push->changes[1].kind, domain::PushKind::tag);
    EXPECT_EQ(push->changes[1].commit, a);
    EXPECT_TRUE(push->changes[1].created);
    EXPECT_EQ(push->repository->clone_http, "/srv/git/shop.git");
}

TEST(Generic, TakesARepositoryByNameOrByItsAddresses) {
    auto read = [](const std::string& repository) {
        auto push = generic().parse(
            request(R"({"type":"push","data":{"changes":[],"repository":)" + repository + "}}"));
        EXPECT_TRUE(push);
        return push && push->repository ? *push->repository : domain::Repository();
    };
    EXPECT_EQ(read(R"("acme/shop")"), (domain::Repository{"acme/shop", "", "", ""}));
    EXPECT_EQ(read(R"("git@h:acme/shop.git")"),
              (domain::Repository{"git@h:acme/shop.git", "", "", "git@h:acme/shop.git"}));
    EXPECT_EQ(read(R"({"full_name":"a/b","clone_ssh":"git@h:a/b"})"),
              (domain::Repository{"a/b", "", "", "git@h:a/b"}));
}

TEST(Generic, NamesTheFieldThatIsWrong) {
    auto refusal = [](const std::string& data) {
        auto push = generic().parse(request(R"({"type":"push","data":)" + data + "}"));
        return push ? "" : push.error().message;
    };
    EXPECT_EQ(refusal(R"({"changes":{}})"), "the field \"data.changes\" must be an array");
    EXPECT_EQ(refusal(R"({"changes":[1]})"), "the field \"data.changes[]\" must be an object");
    EXPECT_EQ(refusal(R"({"changes":[null]})"), "the field \"data.changes[]\" must be an object");
    EXPECT_EQ(refusal(R"({"changes":[{"ref":"x","ref":"y"}]})"),
              "the field \"data.changes[].ref\" appears twice");
    EXPECT_EQ(refusal(R"({"changes":[{"ref":"refs/heads/x","after":"1"}]})"),
              "data.changes: the field \"after\" is no commit id (40 or 64 hex digits)");
}

TEST(Generic, StartsNothingForOtherTypes) {
    EXPECT_EQ(generic().parse(request(R"({"type":"ping"})"))->kind, domain::PushKind::ping);
    EXPECT_EQ(
        generic().parse(request(R"({"type":"contact.created","data":{"changes":"none"}})"))->kind,
        domain::PushKind::other);
    EXPECT_EQ(generic().parse(request(R"({"x":1})"))->kind, domain::PushKind::other);
    EXPECT_EQ(generic().parse(request(R"({"type":"push","data":{"changes":[]}})"))->kind,
              domain::PushKind::other);
}

}  // namespace
}  // namespace belay::forge
