#include "backend.hpp"
#include "proxy_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace belay::proxy {
namespace {

using testing::Test;

struct Forwarding : Test {
    Forwarding() { proxy.route(1, 1, {backend.port()}); }

    Backend backend{1};
    ProxyProcess proxy;
};

std::string post(const std::string& path, const std::string& body, const std::string& more = "") {
    return "POST " + path + " HTTP/1.1\r\nHost: a\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST_F(Forwarding, KeepsConnectionsOnBothSides) {
    auto client = proxy.client();
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
        EXPECT_EQ(receive_message(client).body, "release 1");
        ASSERT_TRUE(client.send(post("/echo", "number " + std::to_string(i))));
        EXPECT_EQ(receive_message(client).body, "number " + std::to_string(i));
    }
    EXPECT_EQ(backend.connections, 1);
    EXPECT_EQ(backend.requests, 100);
}

// A socket without TCP_NODELAY holds a second small write back until the first is acknowledged,
// which the kernel of a silent receiver does after 40 ms.
std::chrono::steady_clock::duration usual_time_in_two_writes(const ProxyProcess& proxy,
                                                             bool client_waits) {
    auto client = proxy.client();
    int no_delay = client_waits ? 0 : 1;
    ::setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
    std::vector<std::chrono::steady_clock::duration> times;
    for (int i = 0; i < 60; ++i) {
        auto before = std::chrono::steady_clock::now();
        client.send("POST /two-writes HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
        client.send("body");
        EXPECT_EQ(receive_message(client).body, "body");
        times.push_back(std::chrono::steady_clock::now() - before);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

TEST_F(Forwarding, DoesNotKeepAnAppWaitingThatWritesHeadAndBodyApart) {
    backend.nagle = true;
    EXPECT_LT(usual_time_in_two_writes(proxy, false), std::chrono::milliseconds(30));
    EXPECT_EQ(backend.connections, 1);
}

TEST_F(Forwarding, DoesNotKeepAClientWaitingThatWritesHeadAndBodyApart) {
    EXPECT_LT(usual_time_in_two_writes(proxy, true), std::chrono::milliseconds(30));
}

TEST_F(Forwarding, AnswersPipelinedRequestsInOrder) {
    auto client = proxy.client();
    client.send(post("/echo", "one") + post("/echo", "two") +
                "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    auto all = client.receive_all();
    auto one = all.find("one"), two = all.find("two"), three = all.find("release 1");
    EXPECT_TRUE(one < two && two < three && three != std::string::npos) << all;
}

TEST_F(Forwarding, SpeaksHttp10AndClosesUnlessAskedToKeep) {
    EXPECT_TRUE(contains(proxy.exchange("GET /hello HTTP/1.0\r\n\r\n"), "Connection: close"));
    auto client = proxy.client();
    for (int i = 0; i < 2; ++i) {
        client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        auto answer = receive_message(client);
        EXPECT_TRUE(answer.has("Connection: keep-alive"));
        EXPECT_EQ(answer.body, "release 1");
    }
}

TEST_F(Forwarding, PassesChunkedBodiesBothWays) {
    auto client = proxy.client();
    client.send(
        "POST /echo-chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5;ext=1\r\nhel");
    ASSERT_TRUE(proxy.counts(1, "in_flight", 1)) << "the rest comes after the first part went on";
    client.send("lo\r\n6\r\n world\r\n0\r\nX-Trailer: dropped\r\n\r\n");
    auto answer = client.receive_until("0\r\n\r\n");
    EXPECT_TRUE(contains(answer, "Transfer-Encoding: chunked\r\n"));
    EXPECT_TRUE(contains(answer, "b\r\nhello world\r\n0\r\n\r\n")) << answer;
    EXPECT_FALSE(contains(answer, "X-Sum")) << "trailers are for one hop";
    // The connection is still good.
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client).body, "release 1");
}

TEST_F(Forwarding, TakesTheCodingOffForHttp10) {
    auto answer = proxy.exchange("POST /echo-chunked HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_TRUE(answer.ends_with("\r\n\r\nabc")) << answer;
    EXPECT_FALSE(contains(answer, "chunked"));
}

TEST_F(Forwarding, GivesABodyWithoutLengthAsChunksAndKeepsTheConnection) {
    auto client = proxy.client();
    client.send("GET /until-close HTTP/1.1\r\nHost: a\r\n\r\n");
    auto answer = client.receive_until("0\r\n\r\n");
    EXPECT_TRUE(contains(answer, "Transfer-Encoding: chunked"));
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client).body, "release 1");
    EXPECT_TRUE(proxy.exchange("GET /until-close HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nsome text"));
}

TEST_F(Forwarding, AnswersWithoutBodiesKeepTheConnection) {
    auto client = proxy.client();
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(receive_message(client, false).has("Content-Length: 1234"));
    client.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client, false).status(), 304);
    client.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client, false).status(), 204);
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client).body, "release 1");
}

TEST_F(Forwarding, PassesTheExpectationAndTheWordToGoOn) {
    auto client = proxy.client();
    client.send(
        "POST /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    EXPECT_EQ(receive_message(client).body, "body");
    // Refused before it is sent: the answer comes, and the connection is of no more use.
    auto other = proxy.client();
    other.send(
        "POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_EQ(receive_message(other).status(), 413);
    EXPECT_TRUE(other.closed_within(5'000));
}

TEST_F(Forwarding, GivesAnEarlyAnswerWhileTheBodyIsStillComing) {
    auto client = proxy.client();
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
    client.send(std::string(200'000, 'x'));
    EXPECT_EQ(receive_message(client).status(), 413);
}

TEST_F(Forwarding, AnswersAClientThatHasHalfClosed) {
    auto client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    client.finish_writing();
    EXPECT_TRUE(contains(client.receive_all(), "release 1"));
}

TEST_F(Forwarding, StreamsALargeUploadToASlowAppInFlatMemory) {
    auto before = proxy.resident_kib();
    auto client = proxy.client();
    constexpr std::size_t kSize = 200u << 20;
    client.send("POST /slow-upload HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                std::to_string(kSize) + "\r\n\r\n");
    std::string block(1 << 20, 'y');
    long peak = 0;
    for (std::size_t sent = 0; sent < kSize; sent += block.size()) {
        ASSERT_TRUE(client.send(block));
        peak = std::max(peak, proxy.resident_kib());
    }
    EXPECT_EQ(receive_message(client, true, 60'000).body, "release 1");
    EXPECT_EQ(backend.body_bytes, kSize);
    EXPECT_LT(peak - before, under_sanitizer() ? 32'000 : 2'000) << "KiB";
}

TEST_F(Forwarding, SaysWhereARequestCameFrom) {
    auto trusted = proxy.exchange(
        "GET /head HTTP/1.1\r\nHost: shop.example.com\r\nX-Forwarded-For: "
        "9.9.9.9\r\nX-Forwarded-Proto: https\r\n"
        "X_Forwarded_For: 6.6.6.6\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n");
    EXPECT_TRUE(contains(trusted, "X-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n")) << trusted;
    EXPECT_TRUE(contains(trusted, "X-Forwarded-Proto: https\r\n"));
    EXPECT_TRUE(contains(trusted, "X-Forwarded-Host: shop.example.com\r\n"));
    EXPECT_TRUE(contains(trusted, "X-Forwarded-Port: " + std::to_string(proxy.port()) + "\r\n"));
    EXPECT_TRUE(contains(trusted, "Host: shop.example.com\r\n"));
    for (auto gone : {"6.6.6.6", "X-Hop", "TE:", "X-Belay-Release"})
        EXPECT_FALSE(contains(trusted, gone)) << gone;
    proxy.call({{"op", "settings"}, {"settings", {{"trusted_proxies", {"10.0.0.0/8"}}}}});
    auto stranger = proxy.exchange(
        "GET /head HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: "
        "https\r\nX-Real-IP: 9.9.9.9\r\n"
        "Forwarded: for=9.9.9.9\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(contains(stranger, "X-Forwarded-For: 127.0.0.1\r\n")) << stranger;
    EXPECT_TRUE(contains(stranger, "X-Forwarded-Proto: http\r\n"));
    EXPECT_FALSE(contains(stranger, "9.9.9.9"));
}

TEST_F(Forwarding, TakesHopByHopFieldsOutOfAnswers) {
    auto answer = proxy.get("/hop");
    EXPECT_TRUE(contains(answer, "X-Open: 1"));
    EXPECT_FALSE(contains(answer, "X-Secret"));
    EXPECT_FALSE(contains(answer, "Keep-Alive"));
}

TEST_F(Forwarding, ShowsTheReleaseToWhoeverKnowsTheNonceOnly) {
    std::ofstream(proxy.directory() + "/nonce") << "0123456789abcdef0123\n";
    auto ask = [&](const std::string& nonce) {
        return proxy.exchange("GET /head HTTP/1.1\r\nHost: a\r\nX-Belay-Nonce: " + nonce +
                              "\r\nConnection: close\r\n\r\n");
    };
    auto known = ask("0123456789abcdef0123");
    EXPECT_TRUE(contains(known, "X-Belay-Release: 1\r\n")) << known;
    EXPECT_FALSE(contains(known, "0123456789abcdef0123")) << "it must not be forwarded";
    EXPECT_FALSE(contains(known, "999")) << "nor may the app say so";
    EXPECT_FALSE(contains(ask("0123456789abcdef0124"), "X-Belay-Release"));
    EXPECT_FALSE(contains(proxy.get("/head"), "X-Belay"));
}

TEST_F(Forwarding, RelaysUpgradedConnections) {
    auto client = proxy.client();
    client.send(
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nat once");
    auto head = client.receive_until("at once");
    EXPECT_TRUE(contains(head, "HTTP/1.1 101 ")) << head;
    EXPECT_TRUE(contains(head, "Upgrade: websocket"));
    for (int i = 0; i < 20; ++i) {
        auto text = "message " + std::to_string(i);
        client.send(text);
        EXPECT_EQ(client.receive_until(text), text);
    }
    EXPECT_TRUE(proxy.counts(1, "open_streams", 1));
    client.close();
    EXPECT_TRUE(proxy.counts(1, "open_streams", 0));
}

TEST_F(Forwarding, RefusesWhatTwoServersCouldReadDifferently) {
    const std::string start = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    const std::string inputs[] = {
        start + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        start + "Content-Length: 3, 3\r\n\r\nabc",
        start + "Content-Length: +3\r\n\r\nabc",
        start + "Content-Length: 3\r\n X: folded\r\n\r\nabc",
        start + "Content-Length : 3\r\n\r\nabc",
        start + "X: a\nContent-Length: 3\r\n\r\nabc",
        start + "Transfer-Encoding: chunked\r\n\r\nG\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        std::string("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 36),
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n",
    };
    for (const auto& input : inputs) {
        auto client = proxy.client();
        client.send(input + "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        auto answer = client.receive_all();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 50"))
            << input << answer;
        EXPECT_TRUE(contains(answer, "Connection: close")) << input;
        EXPECT_FALSE(contains(answer, "release 1")) << "what follows must not be read: " << input;
    }
    EXPECT_EQ(backend.requests, 0);
}

TEST_F(Forwarding, ReadsTheAbsoluteForm) {
    auto answer = proxy.exchange(
        "GET http://other.example/head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(contains(answer, "GET /head HTTP/1.1\r\nHost: other.example\r\n")) << answer;
}

TEST_F(Forwarding, BoundsTheHead) {
    auto big = "GET /hello HTTP/1.1\r\nHost: a\r\nX-Big: " + std::string(60'000, 'a') +
               "\r\nConnection: close\r\n\r\n";
    EXPECT_TRUE(contains(proxy.exchange(big), "release 1"));
    auto too_big =
        "GET /hello HTTP/1.1\r\nHost: a\r\nX-Big: " + std::string(70'000, 'a') + "\r\n\r\n";
    EXPECT_TRUE(proxy.exchange(too_big).starts_with("HTTP/1.1 431 "));
}

}  // namespace
}  // namespace belay::proxy
