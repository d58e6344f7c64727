#include "support/receiver.hpp"

#include <belay/outbound/outbound.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

namespace belay::outbound {
namespace {

using Clock = std::chrono::steady_clock;

class Http : public testing::Test {
  protected:
    Http() {
        for (const auto* name : {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY",
                                 "ALL_PROXY", "no_proxy", "NO_PROXY"})
            ::unsetenv(name);
    }
    static HttpRequest post(std::string url, std::string body = "{}") {
        HttpRequest request;
        request.url = std::move(url);
        request.headers = {{"Content-Type", "application/json"}};
        request.body = std::move(body);
        return request;
    }

    test::TempDirectory directory_;
    Limits limits_;
};

TEST_F(Http, ARequestArrivesAsItWasWrittenAndItsAnswerComesBack) {
    test::Receiver receiver(
        directory_, "http",
        R"([{"status": 429, "headers": {"Retry-After": "7"}, "body": "slow down"}])");
    auto request = post(receiver.url("/a?b=c"), std::string("\0\x01{}", 4));
    request.method = "PUT";
    request.headers.emplace_back("Authorization", "Bearer x");
    auto answer = exchange(request, limits_);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 429);
    EXPECT_EQ(answer->body, "slow down");
    EXPECT_EQ(answer->retry_after(TimePoint{}), Millis{7'000});
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0]["method"], "PUT");
    EXPECT_EQ(seen[0]["path"], "/a?b=c");
    EXPECT_EQ(seen[0]["headers"]["authorization"], "Bearer x");
    EXPECT_EQ(seen[0]["headers"]["content-length"], "4");
    EXPECT_FALSE(seen[0]["headers"].contains("expect"));
}

TEST_F(Http, ARedirectIsAnAnswerAndNotFollowed) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 302, "headers": {"Location": "/elsewhere"}}])");
    auto answer = exchange(post(receiver.url("/here")), limits_);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 302);
    EXPECT_EQ(receiver.received().size(), 1U);
}

TEST_F(Http, ASlowAnswerEndsAtTheDeadline) {
    test::Receiver receiver(directory_, "http", R"([{"slow": 20}])");
    limits_.total = Millis{300};
    auto before = Clock::now();
    auto answer = exchange(post(receiver.url()), limits_);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::timeout);
    EXPECT_LT(Clock::now() - before, std::chrono::seconds(5));
}

TEST_F(Http, AnAnswerWithoutEndIsCutAtItsLimit) {
    test::Receiver receiver(directory_, "http", R"([{"endless": true}])");
    limits_.answer = 1'000;
    auto answer = exchange(post(receiver.url()), limits_);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body.size(), 1'000U);
}

TEST_F(Http, ACutConnectionAndNobodyThereAreUnavailable) {
    test::Receiver receiver(directory_, "http", R"([{"cut": true}])");
    auto cut = exchange(post(receiver.url()), limits_);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Errc::unavailable);
    auto nobody = exchange(post("http://127.0.0.1:" + std::to_string(test::free_port())), limits_);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, Errc::unavailable);
}

TEST_F(Http, NoErrorTellsASecretOfTheRequest) {
    auto request = post("http://user:hunter2@localhost:1/services/T0/SECRETPATH?token=SECRETQUERY");
    request.secrets = {Secret("localhost:1"), Secret("localhost")};
    auto answer = exchange(request, limits_);
    ASSERT_FALSE(answer);
    for (const std::string part : {"hunter2", "SECRETPATH", "SECRETQUERY"})
        EXPECT_EQ(answer.error().message.find(part), std::string::npos) << answer.error().message;
    EXPECT_NE(answer.error().message.find("***"), std::string::npos) << answer.error().message;
}

TEST_F(Http, LinkLocalAndMetadataAddressesAreNeverConnectedTo) {
    for (const std::string url :
         {"http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe/", "http://2852039166/",
          "http://169.254.1:80/", "http://[fe80::1%25lo]/", "http://[fd00:ec2::254]/",
          "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/"}) {
        auto answer = exchange(post(url), limits_);
        ASSERT_FALSE(answer) << url;
        EXPECT_EQ(answer.error().code, Errc::forbidden) << url << ": " << answer.error().message;
    }
}

TEST_F(Http, OnlyHttpAndHttpsAreSpokenAndHeadersCanNotBeInjected) {
    for (const std::string url :
         {"file:///etc/passwd", "gopher://127.0.0.1/", "no url", "", "http://", "//127.0.0.1/"}) {
        auto answer = exchange(post(url), limits_);
        ASSERT_FALSE(answer) << url;
        EXPECT_EQ(answer.error().code, Errc::invalid) << url << ": " << answer.error().message;
    }
    auto request = post("http://127.0.0.1:1/");
    request.headers.emplace_back("X-Title", "a\r\nX-Other: b");
    auto answer = exchange(request, limits_);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::invalid);
}

TEST_F(Http, ACertificateIsVerified) {
    test::make_certificate(directory_);
    test::Receiver receiver(directory_, "https");
    auto url = "https://localhost:" + std::to_string(receiver.port()) + "/";
    auto stranger = exchange(post(url), limits_);
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().code, Errc::unavailable);
    EXPECT_NE(stranger.error().message.find("certificate"), std::string::npos)
        << stranger.error().message;
    EXPECT_TRUE(receiver.received().empty());
    limits_.ca_file = directory_ / "cert.pem";
    auto known = exchange(post(url), limits_);
    ASSERT_TRUE(known) << known.error().message;
    EXPECT_EQ(known->status, 200);
}

TEST_F(Http, AProxyOfTheEnvironmentIsUsed) {
    test::Receiver proxy(directory_, "http");
    ::setenv("http_proxy", proxy.url("").c_str(), 1);
    auto answer = exchange(post("http://chat.example/hook"), limits_);
    auto refused = exchange(post("http://169.254.169.254/hook"), limits_);
    ::unsetenv("http_proxy");
    ASSERT_TRUE(answer) << answer.error().message;
    ASSERT_EQ(proxy.received().size(), 1U) << "the literal address is refused before the proxy";
    EXPECT_EQ(proxy.received()[0]["path"], "http://chat.example/hook");
    EXPECT_EQ(refused.error().code, Errc::forbidden);
}

}  // namespace
}  // namespace belay::outbound
