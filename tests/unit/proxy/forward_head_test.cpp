#include "proxy/forward_head.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::proxy {
namespace {

std::string forwarded(const std::string& bytes, bool trusted) {
    RequestHead head;
    EXPECT_FALSE(parse_request(bytes, head));
    Origin origin{"1.2.3.4", trusted, 8000};
    return forwarded_request(head, origin, head.upgrade);
}

TEST(ForwardedRequest, ReplacesClaimsOfStrangers) {
    EXPECT_EQ(forwarded("GET /x HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6\r\nHost: a\r\nCookie: "
                        "c\r\nForwarded: for=6.6.6.6\r\n\r\n",
                        false),
              "GET /x HTTP/1.1\r\nHost: a\r\nCookie: c\r\nX-Forwarded-For: "
              "1.2.3.4\r\nX-Forwarded-Proto: http\r\n"
              "X-Forwarded-Host: a\r\nX-Forwarded-Port: 8000\r\n\r\n");
}

TEST(ForwardedRequest, KeepsWhatTrustedProxiesSay) {
    EXPECT_EQ(forwarded("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: "
                        "6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n"
                        "X-Forwarded-Host: outer\r\nX-Forwarded-Port: 443\r\n\r\n",
                        true),
              "GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 7.7.7.7, "
              "1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
              "X-Forwarded-Host: outer\r\nX-Forwarded-Port: 443\r\n\r\n");
}

TEST(ForwardedRequest, DropsWhatIsForOneHopAndNothingThatItMustNot) {
    auto out = forwarded(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: X-Mine, Host, "
        "Content-Length\r\nX-Mine: 1\r\n"
        "Keep-Alive: 5\r\nX-Belay-Nonce: secret\r\nX_Belay_Nonce: secret\r\nProxy-Connection: "
        "x\r\n\r\n",
        false);
    EXPECT_NE(out.find("Host: a\r\n"), std::string::npos);
    EXPECT_NE(out.find("Content-Length: 1\r\n"), std::string::npos) << out;
    for (auto gone : {"X-Mine", "Keep-Alive", "secret", "Proxy-Connection", "Connection"})
        EXPECT_EQ(out.find(gone), std::string::npos) << gone;
}

TEST(ForwardedRequest, AsksForTheUpgrade) {
    auto out = forwarded(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
        "websocket\r\n\r\n",
        false);
    EXPECT_NE(out.find("Connection: Upgrade\r\nUpgrade: websocket\r\n"), std::string::npos);
}

TEST(ForwardedResponse, SaysWhatTheClientsConnectionNeeds) {
    ResponseHead head;
    const std::string bytes =
        "HTTP/1.0 200 Fine\r\nServer: app\r\nConnection: close, X-Own\r\nX-Own: "
        "1\r\nX-Belay-Release: 9\r\n\r\n";
    ASSERT_FALSE(parse_response(bytes, false, head));
    Answering answering;
    answering.coding = Answering::Coding::chunked;
    EXPECT_EQ(forwarded_response(head, answering),
              "HTTP/1.1 200 Fine\r\nServer: app\r\nTransfer-Encoding: chunked\r\n\r\n");
    answering.coding = Answering::Coding::plain;
    answering.keep_alive = false;
    answering.release = "12";
    EXPECT_EQ(
        forwarded_response(head, answering),
        "HTTP/1.1 200 Fine\r\nServer: app\r\nConnection: close\r\nX-Belay-Release: 12\r\n\r\n");
}

}  // namespace
}  // namespace belay::proxy
