#include "hostile_server.hpp"
#include "support/run_task.hpp"

#include <belay/health/prober.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>

namespace belay::health {
namespace {

using test::HostileServer;
using Peer = HostileServer::Peer;
using Clock = std::chrono::steady_clock;

class Prober : public ::testing::Test {
  protected:
    boost::asio::io_context loop{1};
    std::unique_ptr<async::Timers> timers = async::make_timers(loop.get_executor());
    std::unique_ptr<ports::Prober> prober =
        make_prober(loop.get_executor(), *timers, BELAY_SHIM_PATH);
    ports::ProbeTarget target;

    Prober() {
        target.health.type = "http";
        target.health.path = "/up";
        target.health.timeout = Millis{300};
    }

    domain::Probe probe(std::uint16_t port) {
        target.port = port;
        auto from = Clock::now();
        auto result = test::run_task(loop, prober->probe(target, async::Cancel()));
        took = Clock::now() - from;
        return result;
    }
    domain::Probe probe_answer(std::string answer) {
        HostileServer server([&](Peer& peer) {
            peer.read_request();
            peer.send(answer);
        });
        return probe(server.port());
    }
    // A port that nobody listens on: one that was just given back.
    static std::uint16_t closed_port() {
        return HostileServer([](Peer&) {}).port();
    }

    Clock::duration took{};
};

std::string answer(std::string_view status, std::string_view body, std::string_view more = {}) {
    return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(more) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST_F(Prober, PassesAnExpectedAnswerAndRecordsIt) {
    std::string request;
    HostileServer server([&](Peer& peer) {
        request = peer.read_request();
        peer.send(answer("200 OK", "fine\n\x01"));
    });
    target.host_header = "shop.example.com";
    target.headers = {{"X-Forwarded-Proto", "https"}};
    target.health.headers = {{"X-Key", "v"}};
    auto result = probe(server.port());
    EXPECT_TRUE(result.passed()) << result.error;
    EXPECT_EQ(result.status, 200);
    EXPECT_EQ(result.family, "ipv4");
    EXPECT_EQ(result.target, "http://127.0.0.1:" + std::to_string(server.port()) + "/up");
    EXPECT_EQ(result.body, "fine .");
    EXPECT_GE(result.latency_ms, 0);
    EXPECT_GT(result.at.time_since_epoch().count(), 0);
    EXPECT_TRUE(request.starts_with("GET /up HTTP/1.1\r\n"));
    for (const char* line :
         {"Host: shop.example.com\r\n", "X-Forwarded-Proto: https\r\n", "X-Key: v\r\n"})
        EXPECT_NE(request.find(line), std::string::npos) << line << request;
    EXPECT_EQ(request.find("X-Forwarded-Proto: http\r\n"), std::string::npos);
}

TEST_F(Prober, NamesHostAndPortWhereNoHostIsGiven) {
    std::string request;
    HostileServer server([&](Peer& peer) {
        request = peer.read_request();
        peer.send(answer("204 No Content", ""));
    });
    EXPECT_TRUE(probe(server.port()).passed());
    EXPECT_NE(request.find("Host: 127.0.0.1:" + std::to_string(server.port())), std::string::npos);
}

TEST_F(Prober, FailsAnotherStatusAndJudgesRedirectsAsTheyAre) {
    EXPECT_EQ(probe_answer(answer("500 Oops", "trace")).error, "status 500");
    auto redirect = answer("302 Found", "", "Location: /login\r\n");
    EXPECT_EQ(probe_answer(redirect).error, "status 302 to /login");
    target.health.expect_status = {{302, 302}};
    EXPECT_TRUE(probe_answer(redirect).passed());
}

TEST_F(Prober, LooksForTheExpectedBody) {
    target.health.expect_body = "needle";
    EXPECT_EQ(probe_answer(answer("200 OK", "hay")).error, "body does not contain \"needle\"");
    EXPECT_TRUE(probe_answer(answer("200 OK", std::string(60'000, ' ') + "needle")).passed());
    EXPECT_FALSE(probe_answer(answer("200 OK", std::string(kBodyBytes, ' ') + "needle")).passed());
    auto chunked = std::string(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n");
    EXPECT_TRUE(probe_answer(chunked).passed());
    EXPECT_TRUE(
        probe_answer("HTTP/1.0 200 OK\r\n\r\nneedle").passed());  // ends with the connection
    target.health.expect_body = "/n[e]+dle/";
    EXPECT_TRUE(probe_answer(answer("200 OK", "needle")).passed());
}

TEST_F(Prober, ReadsPastInterimAnswers) {
    EXPECT_EQ(probe_answer("HTTP/1.1 103 Early Hints\r\n\r\n" + answer("200 OK", "x")).status, 200);
    std::string endless;
    for (int i = 0; i < 1000; ++i)
        endless += "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_FALSE(probe_answer(endless).passed());
}

TEST_F(Prober, TakesNoBodyForHead) {
    target.health.method = "HEAD";
    EXPECT_TRUE(probe_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").passed());
}

TEST_F(Prober, TellsRefusedFromFailed) {
    auto result = probe(closed_port());
    EXPECT_TRUE(result.refused);
    EXPECT_EQ(result.error, "connection refused");
    EXPECT_EQ(result.family, "ipv4");
    EXPECT_FALSE(probe_answer(answer("500 x", "")).refused);
}

TEST_F(Prober, TriesIpv6WhereIpv4Refuses) {
    std::unique_ptr<HostileServer> server;
    try {
        server = std::make_unique<HostileServer>(
            [](Peer& peer) {
                peer.read_request();
                peer.send(answer("200 OK", "six"));
            },
            AF_INET6);
    } catch (const std::runtime_error&) {
        GTEST_SKIP() << "no ::1 on this machine";
    }
    auto result = probe(server->port());
    EXPECT_TRUE(result.passed()) << result.error;
    EXPECT_EQ(result.family, "ipv6");
}

TEST_F(Prober, AHangingServerTimesOut) {
    HostileServer server([](Peer& peer) { peer.hang(); });
    EXPECT_EQ(probe(server.port()).error, "timed out after 300ms");
    EXPECT_LT(took, Seconds{2});
}

TEST_F(Prober, ADrippingHeaderOrBodyTimesOut) {
    for (std::string_view start :
         {"HTTP/1.1 200 OK\r\nX-Long: ", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"}) {
        HostileServer server([&](Peer& peer) {
            peer.read_request();
            peer.send(start);
            while (peer.idle(20) && peer.send("x")) {
            }
        });
        auto result = probe(server.port());
        EXPECT_TRUE(result.error.starts_with("timed out after 300ms")) << result.error;
        EXPECT_LT(took, Seconds{2});
    }
}

TEST_F(Prober, ReadsOnlyTheBeginningOfAHugeBody) {
    std::promise<std::size_t> sent;
    HostileServer server([&](Peer& peer) {
        peer.read_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
        std::string block(1 << 20, 'x');
        for (int i = 0; i < 100 && peer.send(block); ++i) {
        }
        sent.set_value(peer.sent());
    });
    target.health.timeout = Seconds{5};
    auto result = probe(server.port());
    EXPECT_TRUE(result.passed()) << result.error;
    EXPECT_EQ(result.body, std::string(kShownBytes, 'x'));
    EXPECT_LT(sent.get_future().get(), 20u << 20);  // what the sockets' buffers took, and no more
}

TEST_F(Prober, BelievesNoClaimedLength) {
    // Reserving what is claimed would end the daemon.
    auto result = probe_answer("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx");
    EXPECT_EQ(result.error, "the connection was closed within the body");
    EXPECT_EQ(result.body, "x");
}

TEST_F(Prober, SaysWhatIsWrongWithGarbage) {
    auto error = probe_answer("SSH-2.0-OpenSSH_9.2\r\n\r\n").error;
    EXPECT_TRUE(error.starts_with("the answer is no HTTP")) << error;
    EXPECT_NE(probe_answer("HTTP/1.1 200 OK\r\n" + std::string(200'000, 'a')).error.find("64 KiB"),
              std::string::npos);
    EXPECT_TRUE(probe_answer("").error.starts_with("the connection was closed without an answer"));
    EXPECT_EQ(probe_answer("HTTP/1.1 200 OK\r\nContent-Le").error,
              "the connection was closed within the header");
    EXPECT_FALSE(
        probe_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").passed());
}

TEST_F(Prober, AHalfClosedConnectionStillAnswers) {
    HostileServer server([](Peer& peer) {
        peer.read_request();
        peer.send(answer("200 OK", "x"));
        peer.half_close();
        peer.hang();
    });
    EXPECT_TRUE(probe(server.port()).passed());
}

TEST_F(Prober, AResetIsAFailure) {
    HostileServer server([](Peer& peer) {
        peer.read_request();
        peer.reset();
    });
    EXPECT_EQ(probe(server.port()).error, "connection reset");
}

TEST_F(Prober, EndsAtOnceWhenCanceled) {
    HostileServer server([](Peer& peer) { peer.hang(); });
    target.port = server.port();
    target.health.timeout = Seconds{60};
    async::Cancel cancel;
    auto timer = timers->after(Millis{20}, [cancel]() mutable { cancel.request(); });
    auto from = Clock::now();
    EXPECT_EQ(test::run_task(loop, prober->probe(target, cancel)).error, "canceled");
    EXPECT_LT(Clock::now() - from, Seconds{5});
    EXPECT_EQ(test::run_task(loop, prober->probe(target, cancel)).error, "canceled");
}

TEST_F(Prober, TcpAsksForAConnectionOnly) {
    HostileServer server([](Peer&) {});
    target.health.type = "tcp";
    auto result = probe(server.port());
    EXPECT_TRUE(result.passed()) << result.error;
    EXPECT_EQ(result.target, "tcp://127.0.0.1:" + std::to_string(server.port()));
    EXPECT_TRUE(probe(closed_port()).refused);
}

TEST_F(Prober, ProbesAUrl) {
    HostileServer server([](Peer& peer) {
        peer.read_request();
        peer.send(answer("200 OK", "x"));
    });
    target.health.url = "http://localhost:" + std::to_string(server.port()) + "/elsewhere";
    EXPECT_TRUE(probe(1).passed());
    target.health.url = "http://169.254.169.254/latest/meta-data";
    EXPECT_NE(probe(1).error.find("link-local"), std::string::npos);
    target.health.url = "http://[::ffff:169.254.169.254]/";
    EXPECT_NE(probe(1).error.find("link-local"), std::string::npos);
    target.health.url = "https://127.0.0.1/";
    EXPECT_NE(probe(1).error.find("not in effect yet"), std::string::npos);
}

TEST_F(Prober, HasNothingToProbeWithoutAType) {
    target.health.type = "none";
    EXPECT_EQ(probe(1).error, "health.type \"none\" has nothing to probe");
}

TEST_F(Prober, AsksTheProxyWhichReleaseAnswered) {
    std::string request;
    HostileServer server([&](Peer& peer) {
        request = peer.read_request();
        peer.send(answer("503 x", "", "X-Belay-Release: 42\r\n"));
    });
    target.port = server.port();
    target.host_header = "shop.example.com";
    auto release = test::run_task(loop, prober->through_proxy(target, "n0nce"));
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ(*release, 42);
    EXPECT_NE(request.find("X-Belay-Nonce: n0nce\r\n"), std::string::npos);
    EXPECT_NE(request.find("Host: shop.example.com\r\n"), std::string::npos);
    HostileServer stranger([](Peer& peer) {
        peer.read_request();
        peer.send(answer("200 OK", ""));
    });
    target.port = stranger.port();
    EXPECT_EQ(test::run_task(loop, prober->through_proxy(target, "n")).error().code,
              Errc::conflict);
    target.port = closed_port();
    EXPECT_EQ(test::run_task(loop, prober->through_proxy(target, "n")).error().code,
              Errc::unavailable);
}

}  // namespace
}  // namespace belay::health
