// What `belay hook test` says of each way in which a ping can fail, and the cure that it names.
#include "cli/hook_findings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using Hop = PingTry::Hop;

constexpr const char* kAccepted =
    R"({"delivery": "w12", "deployment": null, "decision": "ignored", "reason": "a ping"})";
constexpr const char* kRefused =
    R"({"type": "about:blank", "title": "Unauthorized", "status": 401, "code": "unauthorized"})";

HookTest answered(int status, std::string body, std::string server = "") {
    HookTest test;
    test.app = "shop";
    test.forge = "github";
    test.id = "ping-1";
    test.config_file = "/etc/belay/belay.toml";
    test.public_url = "https://deploy.example.com";
    test.expose = "hooks";
    test.listen = "127.0.0.1:8080";
    test.proxy_listen = {":80"};
    auto& outside = test.outside;
    outside.url = "https://deploy.example.com/hooks/shop";
    outside.peer = "203.0.113.5:443";
    outside.status = status;
    outside.body = std::move(body);
    outside.server = std::move(server);
    outside.milliseconds = 41;
    return test;
}

HookTest failed(Hop hop, std::string error, bool timed_out = false) {
    auto test = answered(0, "");
    test.outside.failed_at = hop;
    test.outside.error = std::move(error);
    test.outside.timed_out = timed_out;
    if (hop == Hop::name) test.outside.peer.clear();
    return test;
}

HookTest with_inside(HookTest test, int status) {
    PingTry inside;
    inside.url = "http://127.0.0.1:8080/hooks/shop";
    inside.status = status;
    inside.body = status == 200 ? kAccepted : kRefused;
    test.inside = inside;
    return test;
}

Inbox recorded(std::string delivery = "w12") {
    return {true, std::move(delivery), "ignored", "a ping starts nothing"};
}
const Inbox kNothing{true, "", "", ""};

Findings judge(const HookTest& test, const Inbox& outside = kNothing) {
    return judge_hook(test, outside, kNothing);
}

TEST(A_ping, ThatArrivesIsSeenHopByHop) {
    auto found = judge(answered(200, kAccepted), recorded());
    EXPECT_TRUE(found.arrives);
    EXPECT_THAT(found.hops, ElementsAre(Pair("name", "deploy.example.com is 203.0.113.5"),
                                        Pair("connect", "203.0.113.5:443"),
                                        Pair("TLS", "the certificate is good"),
                                        Pair("answer", "200 from this daemon after 41 ms"),
                                        Pair("inbox", "w12 ignored: a ping starts nothing")));
    EXPECT_EQ(found.verdict, "Deliveries arrive.");
    EXPECT_EQ(found.cure, "");
}

TEST(A_ping, ThatArrivesSlowlyIsSaidToBeSlow) {
    auto test = answered(200, kAccepted);
    test.outside.milliseconds = 6000;
    EXPECT_THAT(judge(test, recorded()).verdict, HasSubstr("slowly"));
}

TEST(A_ping, ThatAnotherBelayTookIsNotThisOnes) {
    auto found = judge(answered(200, kAccepted));
    EXPECT_FALSE(found.arrives);
    EXPECT_THAT(found.verdict, HasSubstr("not this one"));
    EXPECT_TRUE(judge(answered(200, kAccepted), Inbox()).arrives)
        << "the socket was not reached, so the answer has to do";
}

struct Failure {
    HookTest test;
    std::string verdict;
    std::string cure;
};
void PrintTo(const Failure& failure, std::ostream* out) {
    *out << failure.verdict;
}

HookTest without_url() {
    HookTest test;
    test.config_file = "/etc/belay/belay.toml";
    return test;
}
HookTest redirected() {
    auto test = answered(301, "", "nginx");
    test.outside.location = "https://www.example.com/hooks/shop\x1b[2J";
    return test;
}
HookTest distrusted() {
    auto test = failed(Hop::tls, "self-signed certificate");
    test.outside.certificate = true;
    return test;
}
HookTest on_port_80() {
    auto test = failed(Hop::connect, "connection refused");
    test.public_url = "http://deploy.example.com";
    test.outside.url = "http://deploy.example.com/hooks/shop";
    return test;
}
HookTest hidden() {
    auto test = answered(404, "404 Not Found\nNo app here answers to \"deploy.example.com\".\n");
    test.expose = "none";
    return test;
}

class Failures : public testing::TestWithParam<Failure> {};

TEST_P(Failures, AreNamedWithTheirCure) {
    auto found = judge(GetParam().test);
    EXPECT_FALSE(found.arrives);
    EXPECT_THAT(found.verdict, HasSubstr(GetParam().verdict));
    EXPECT_THAT(found.cure, HasSubstr(GetParam().cure));
    EXPECT_THAT(found.verdict, Not(HasSubstr("\x1b")));
}

INSTANTIATE_TEST_SUITE_P(
    OnTheWay, Failures,
    testing::Values(
        Failure{without_url(), "names no public address", "[server] public_url"},
        Failure{failed(Hop::name, "could not resolve host"), "deploy.example.com leads nowhere",
                "A or AAAA record"},
        Failure{failed(Hop::connect, "connection refused"), "Nothing listens on port 443",
                "Belay's proxy listens on :80"},
        Failure{on_port_80(), "Port 80 of deploy.example.com refuses", "belay status"},
        Failure{failed(Hop::connect, "timed out", true), "a firewall swallows",
                "Let the port through"},
        Failure{distrusted(), "refuse the certificate", "name deploy.example.com"},
        Failure{failed(Hop::tls, "wrong version number"), "speaks no TLS", "http://"},
        Failure{failed(Hop::answer, "no answer", true), "gives no answer", "belay status"},
        Failure{with_inside(failed(Hop::answer, "no answer", true), 200), "gives no answer",
                "pass /hooks/ on to http://127.0.0.1:8080"},
        Failure{failed(Hop::answer, "empty reply"), "breaks it off", "log"},
        Failure{redirected(), "redirected to https://www.example.com/hooks/shop?", "forge"},
        Failure{with_inside(answered(401, kRefused), 200), "loses its signature on the way",
                "headers"},
        Failure{with_inside(answered(401, kRefused), 401), "refuses the ping's signature",
                "belay reload"},
        Failure{answered(401, "<html>login</html>", "nginx"), "wants a login", "/hooks/"},
        Failure{answered(403, "<html>blocked</html>", "cloudflare"), "wants a login", "/hooks/"},
        Failure{answered(404, "<html>404</html>", "nginx/1.22.1"), "knows no hooks",
                "pass /hooks/ on to http://127.0.0.1:8080"},
        Failure{hidden(), "does not show the hooks", "make it \"hooks\""},
        Failure{answered(404, "No app here answers to \"x\"."), "does not show the hooks",
                "Host header"},
        Failure{answered(413, "too large", "nginx"), "refuses the body", "client_max_body_size"},
        Failure{with_inside(answered(502, "bad gateway", "nginx"), 200),
                "does not reach the daemon", "http://127.0.0.1:8080"},
        Failure{answered(504, "", "nginx"), "does not reach the daemon", "belay status"},
        Failure{answered(200, "<html>welcome</html>", "Apache"), "Another server takes",
                "wrong place"},
        Failure{answered(418, ""), "Another server answers", "wrong place"},
        Failure{answered(429, kRefused), "no more deliveries", "Wait"},
        Failure{answered(503, kRefused), "The daemon answers 503", "belay status"}));

TEST(A_ping, ThatFailsAtAHopShowsNoneBeyond) {
    EXPECT_THAT(judge(failed(Hop::name, "could not resolve host")).hops,
                ElementsAre(Pair("name", "could not resolve host")));
    EXPECT_THAT(
        judge(distrusted()).hops,
        ElementsAre(Pair("name", "deploy.example.com is 203.0.113.5"),
                    Pair("connect", "203.0.113.5:443"), Pair("TLS", "self-signed certificate")));
}

TEST(A_ping, OfAForgeWithAKeyOfItsOwnIsToBeRefused) {
    auto test = answered(401, kRefused);
    test.is_signed = false;
    auto found = judge(test);
    EXPECT_TRUE(found.arrives);
    EXPECT_THAT(found.verdict, HasSubstr("The way is open"));
}

TEST(A_failed_ping, IsTriedAtTheDaemonsOwnAddressToo) {
    auto found = judge(with_inside(answered(404, "", "nginx"), 200));
    EXPECT_THAT(found.hops, Contains(Pair("directly", "127.0.0.1:8080 answers 200")));
}

}  // namespace
}  // namespace belay::cli
