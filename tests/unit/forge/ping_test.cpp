// What is sent to ask whether deliveries arrive passes the check of the forge that it imitates, and
// starts nothing.
#include <belay/forge/forge.hpp>
#include <belay/forge/ping.hpp>

#include <gtest/gtest.h>

namespace belay::forge {
namespace {

const TimePoint kNow{Seconds{1'700'000'000}};

ports::HookRequest request_of(const Ping& ping) {
    ports::HookRequest request;
    request.method = "POST";
    request.target = "/hooks/shop";
    request.headers = ping.headers;
    request.body = ping.body;
    request.received_at = kNow;
    return request;
}

TEST(A_ping, IsTakenByTheForgeThatItImitatesAndByNoOtherSecret) {
    int known = 0;
    for (const auto* name : {"github", "gitlab", "gitea", "forgejo", "gogs", "bitbucket-cloud",
                             "bitbucket-server", "azure-devops", "gitee", "generic", "auto"}) {
        const Secret secret("0123456789abcdef0123456789abcdef");
        auto ping = make_ping(name, secret, "ping-1", kNow);
        auto request = request_of(ping);
        const auto* forge = table().find(name, request);
        if (!forge) continue;
        ++known;
        EXPECT_TRUE(ping.is_signed);
        EXPECT_TRUE(forge->verify(request, {secret})) << name;
        EXPECT_FALSE(forge->verify(request, {Secret("another")})) << name;
        auto push = forge->parse(request);
        ASSERT_TRUE(push) << name << ": " << push.error().message;
        EXPECT_TRUE(push->kind == domain::PushKind::ping || push->kind == domain::PushKind::other)
            << name;
        EXPECT_TRUE(push->changes.empty()) << name;
    }
    EXPECT_GE(known, 3);
}

TEST(A_ping, TakesTheBytesOfAWhsecSecret) {
    const Secret secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    auto ping = make_ping("auto", secret, "ping-1", kNow);
    auto request = request_of(ping);
    EXPECT_TRUE(table().find("generic", request)->verify(request, {secret}));
}

TEST(A_ping, OfAForgeWithAKeyOfItsOwnIsNotSigned) {
    EXPECT_FALSE(make_ping("sourcehut", Secret("key"), "ping-1", kNow).is_signed);
}

}  // namespace
}  // namespace belay::forge
