#include "backend.hpp"
#include "proxy_process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>

namespace belay::proxy {
namespace {

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::uint16_t refusing_port() {
    return port_of(listen_on_loopback());
}

TEST(Faults, NoRouteNamesTheHost) {
    ProxyProcess proxy;
    auto answer = proxy.get("/", "nobody.example.com");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(contains(answer, "nobody.example.com"));
    EXPECT_FALSE(contains(answer, "Server:"));
}

TEST(Faults, RouteWithoutInstancesAsksToRetry) {
    ProxyProcess proxy;
    proxy.route(1, 1, {});
    auto answer = proxy.get("/");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(contains(answer, "Retry-After: "));
}

TEST(Faults, RefusedConnectionGoesToTheNextInstance) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {refusing_port(), backend.port()});
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    auto counters = proxy.counters(1);
    EXPECT_GE(counters["connect_errors"], 1);
    EXPECT_EQ(counters["gateway_errors"], 0);
    EXPECT_EQ(counters["requests"], 10);
    EXPECT_EQ(counters["status"][1], 10);
    proxy.route(2, 1, {refusing_port(), refusing_port()});
    EXPECT_TRUE(proxy.get("/").starts_with("HTTP/1.1 502 "));
    EXPECT_EQ(proxy.counters(1)["gateway_errors"], 1);
}

TEST(Faults, SpreadsRequestsOverInstances) {
    Backend one(1), two(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port(), two.port()});
    for (int i = 0; i < 20; ++i)
        proxy.get("/");
    EXPECT_EQ(one.requests, 10);
    EXPECT_EQ(two.requests, 10);
}

TEST(Faults, OverdueAnswerIs504AndOthersAreNotHeldUp) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()}, {{"response_timeout_ms", 300}});
    auto waiting = proxy.client();
    waiting.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    EXPECT_EQ(receive_message(waiting).status(), 504);
    EXPECT_EQ(proxy.counters(1)["timeouts"], 1);
    EXPECT_EQ(proxy.counters(1)["gateway_errors"], 1);
}

TEST(Faults, BrokenAnswersAreToldApart) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    EXPECT_TRUE(proxy.get("/reset").starts_with("HTTP/1.1 502 "));
    EXPECT_TRUE(proxy.get("/garbage").starts_with("HTTP/1.1 502 "));
    auto cut = proxy.get("/cut");
    EXPECT_TRUE(cut.starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(proxy.get("/500").starts_with("HTTP/1.1 500 "));
    auto counters = proxy.counters(1);
    EXPECT_EQ(counters["gateway_errors"], 2);
    EXPECT_EQ(counters["truncated"], 1);
    EXPECT_EQ(counters["status"][4], 1);
}

TEST(Faults, AKeptConnectionThatTheAppClosedIsReplacedUnseen) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    auto client = proxy.client();
    for (int i = 0; i < 20; ++i) {
        // `/until-close` ends the app's side; the next request needs another connection.
        client.send("GET /until-close HTTP/1.1\r\nHost: a\r\n\r\n");
        client.receive_until("0\r\n\r\n");
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        EXPECT_EQ(receive_message(client).body, "hi");
    }
}

TEST(Faults, SlowClientsAreDropped) {
    ProxyProcess proxy({"header=300", "keep_alive=300"});
    Backend backend(1);
    proxy.route(1, 1, {backend.port()});
    auto silent = proxy.client();
    EXPECT_TRUE(silent.closed_within(3'000));
    auto slow = proxy.client();
    slow.send("GET / HT");
    std::string answer;
    for (int i = 0; i < 25 && answer.empty(); ++i) {
        slow.send("x");
        answer = slow.receive_until("\r\n\r\n", 60);
    }
    EXPECT_TRUE(contains(answer, "408")) << "a byte must not buy another deadline";
    auto idle = proxy.client();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    receive_message(idle);
    EXPECT_TRUE(idle.closed_within(3'000));
}

TEST(Faults, ASlowReaderHoldsUpNobody) {
    Backend backend(1);
    ProxyProcess proxy({"body=500"});
    proxy.route(1, 1, {backend.port()});
    auto slow = proxy.client();
    auto body = std::string(4'000'000, 'z');
    slow.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
    for (int i = 0; i < 20; ++i)
        EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    EXPECT_TRUE(proxy.counts(1, "client_aborts", 1)) << "it must be dropped in the end";
}

TEST(Faults, AtTheConnectionLimitTheLongestIdleGivesWay) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    proxy.call({{"op", "settings"}, {"settings", {{"connections_max", 4}}}});
    std::vector<Socket> idle;
    for (int i = 0; i < 4; ++i) {
        idle.push_back(proxy.client());
        idle.back().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(receive_message(idle.back()).body, "release 1");
    }
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    EXPECT_TRUE(idle.front().closed_within(3'000));
    idle.back().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(idle.back()).body, "release 1");
}

TEST(Faults, OutOfDescriptorsItGoesOnWhenTheyAreBack) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    rlimit narrow{40, 40}, wide{};
    ASSERT_EQ(::prlimit(proxy.pid(), RLIMIT_NOFILE, &narrow, &wide), 0);
    std::vector<Socket> crowd;
    for (int i = 0; i < 100; ++i) {
        crowd.push_back(proxy.client());
        crowd.back().send("GET /slow HTTP/1.1\r\nHost: a\r\n");  // never whole
    }
    crowd.clear();
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
}

json fallback_to(int release, std::uint16_t port) {
    return {{"fallback", release},
            {"fallback_upstreams", json::array({{{"host", "127.0.0.1"}, {"port", port}}})}};
}

TEST(Faults, WhatAReleaseDoesNotTakeGoesToTheOneBeforeIt) {
    Backend before(6);
    ProxyProcess proxy;
    std::ofstream(proxy.directory() + "/nonce") << "0123456789abcdef0123\n";
    ASSERT_TRUE(proxy.route(3, 7, {refusing_port(), refusing_port()}, fallback_to(6, before.port()))
                    .contains("ok"));
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(contains(proxy.get("/"), "release 6"));
        EXPECT_TRUE(contains(proxy.exchange("POST /echo HTTP/1.1\r\nHost: a\r\n"
                                            "Content-Length: 4\r\nConnection: close\r\n\r\nbody"),
                             "HTTP/1.1 200"));
    }
    auto routed = proxy.counters(7);
    EXPECT_EQ(routed["requests"], 10);
    EXPECT_EQ(routed["failed_over"], 10) << "they count against it";
    EXPECT_EQ(routed["gateway_errors"], 0);
    EXPECT_EQ(proxy.counters(6)["requests"], 10);
    EXPECT_EQ(proxy.counters(6)["status"][1], 10);
    // Whoever asks for the routed release gets no other's answer.
    auto probe = proxy.exchange(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Belay-Nonce: 0123456789abcdef0123\r\n"
        "Connection: close\r\n\r\n");
    EXPECT_TRUE(probe.starts_with("HTTP/1.1 502 "));
    EXPECT_TRUE(contains(probe, "X-Belay-Release: 7"));
    // Also with a new proxy and no daemon.
    ASSERT_TRUE(proxy.call({{"op", "sync"}}).contains("ok"));
    proxy.kill();
    proxy.start();
    EXPECT_TRUE(contains(proxy.get("/"), "release 6"));
    // Until it is no longer there to go back to.
    ASSERT_TRUE(proxy.route(4, 7, {refusing_port()}).contains("ok"));
    EXPECT_TRUE(proxy.get("/").starts_with("HTTP/1.1 502 "));
    EXPECT_EQ(proxy.counters(6)["requests"], 1);
}

TEST(Faults, AReleaseThatDiesBehindAKeptConnectionGivesWayToTheOneBefore) {
    Backend before(6);
    auto dying = std::make_unique<Backend>(7);
    ProxyProcess proxy;
    proxy.route(3, 7, {dying->port()}, fallback_to(6, before.port()));
    auto client = proxy.client();
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client).body, "release 7");
    dying.reset();
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client).body, "release 6");
}

TEST(Faults, WhereTheReleaseBeforeIsGoneTooTheRoutedOneIsBlamed) {
    ProxyProcess proxy;
    proxy.route(3, 7, {refusing_port()}, fallback_to(6, refusing_port()));
    EXPECT_TRUE(proxy.get("/").starts_with("HTTP/1.1 502 "));
    EXPECT_EQ(proxy.counters(7)["gateway_errors"], 1);
    EXPECT_EQ(proxy.counters(7)["failed_over"], 0);
    EXPECT_EQ(proxy.counters(6)["gateway_errors"], 0);
    auto nowhere = proxy.route(4, 7, {refusing_port()}, fallback_to(0, 1));
    EXPECT_TRUE(contains(nowhere.dump(), "fallback_upstreams without a fallback"));
}

TEST(Faults, KilledProxyLosesNoQueuedConnectionAndServesItsOwnFile) {
    Backend backend(7);
    ProxyProcess proxy;
    proxy.route(3, 7, {backend.port()}, {{"hosts", {"shop.example.com"}}, {"fallback", 6}});
    proxy.call({{"op", "remove"}, {"app", "gone"}, {"epoch", 9}});
    ASSERT_TRUE(proxy.call({{"op", "sync"}}).contains("ok"));
    auto before = proxy.call({{"op", "hello"}})["ok"];
    proxy.kill();
    std::vector<Socket> waiting;
    for (int i = 0; i < 50; ++i) {
        waiting.push_back(proxy.client());
        ASSERT_TRUE(waiting.back()) << "refused while the proxy is dead";
        waiting.back().send("GET /hello HTTP/1.1\r\nHost: shop.example.com\r\n\r\n");
    }
    proxy.start();
    for (auto& client : waiting)
        EXPECT_EQ(receive_message(client).body, "release 7");
    auto after = proxy.call({{"op", "hello"}})["ok"];
    EXPECT_NE(after["instance"], before["instance"]);
    EXPECT_EQ(after["apps"], before["apps"]);
    EXPECT_EQ(after["apps"]["shop"]["fallback"], 6);
    EXPECT_TRUE(proxy.route(2, 6, {backend.port()}).contains("error"))
        << "epochs outlive the process";
    EXPECT_TRUE(proxy.call({{"op", "remove"}, {"app", "gone"}, {"epoch", 8}}).contains("error"));
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Faults, TornRoutesFallBackToThePreviousGeneration) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port()});
    proxy.call({{"op", "sync"}});
    proxy.route(2, 2, {two.port()});
    proxy.call({{"op", "sync"}});
    proxy.kill();
    auto path = proxy.directory() + "/routes.json";
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    proxy.start();
    EXPECT_TRUE(contains(proxy.call({{"op", "hello"}})["ok"]["warning"], "routes.json"));
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    // The next generation must not overwrite the whole one by the torn one.
    proxy.route(3, 2, {two.port()});
    proxy.call({{"op", "sync"}});
    EXPECT_TRUE(contains(read_file(path + ".1"), "\"epoch\": 1"));
}

TEST(Faults, ANewerSchemaIsLeftAlone) {
    ProxyProcess proxy;
    proxy.control();
    proxy.kill();
    std::ofstream(proxy.directory() + "/routes.json") << "{\"schema\": 99}";
    proxy.start();
    EXPECT_EQ(WEXITSTATUS(proxy.wait()), 1);
    EXPECT_EQ(read_file(proxy.directory() + "/routes.json"), "{\"schema\": 99}");
}

TEST(Faults, BadWordsOnTheControlSocketDoNoHarm) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    for (const std::string line :
         {"rubbish", "[]", "{}", "{\"op\":1}", "{\"op\":\"nonsense\"}", "{\"op\":\"route\"}",
          "{\"op\":\"route\",\"route\":5}",
          "{\"op\":\"route\",\"route\":{\"app\":\"shop\",\"epoch\":\"x\"}}",
          "{\"op\":\"listen\",\"names\":[\"tcp:80\"]}",
          "{\"op\":\"route\",\"route\":{\"app\":\"shop\",\"epoch\":5,\"release\":1,\"upstreams\":[{"
          "\"host\":\"example.com\",\"port\":1}]}}",
          "{\"op\":\"route\",\"route\":{\"app\":\"shop\",\"epoch\":5,\"release\":1,\"upstreams\":5}"
          "}",
          "{\"op\":\"route\",\"route\":{\"app\":\"../x\",\"epoch\":5,\"release\":1}}",
          "{\"op\":\"unlisten\",\"address\":\"1.2.3.4:5\"}",
          "{\"op\":\"settings\",\"settings\":{\"trusted_proxies\":[\"nonsense\"]}}",
          "{\"op\":\"settings\",\"settings\":{\"expose\":\"everything\"}}",
          "{\"op\":\"remove\"}"}) {
        auto socket = proxy.control();
        socket.send(line + "\n");
        EXPECT_TRUE(contains(socket.receive_until("\n"), "\"error\"")) << line;
    }
    auto endless = proxy.control();
    endless.send(std::string(2'000'000, 'x'));
    EXPECT_TRUE(endless.closed_within(5'000));
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
}

TEST(Faults, TheControlSocketIsForTheOwnerOnly) {
    ProxyProcess proxy;
    proxy.control();
    auto mode = std::filesystem::status(proxy.control_path()).permissions();
    EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(Faults, TerminatedItFinishesWhatIsInFlight) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    auto client = proxy.client(), idle = proxy.client();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    receive_message(idle);
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(proxy.counts(1, "in_flight", 1));
    proxy.terminate();
    auto answer = receive_message(client);
    EXPECT_EQ(answer.body, "release 1");
    EXPECT_TRUE(answer.has("Connection: close"));
    EXPECT_TRUE(idle.closed_within(5'000));
    EXPECT_EQ(proxy.wait(), 0);
}

// The listener is held here too, as by the shim: closing the proxy's own descriptor alone would let
// clients into a queue that nobody serves.
TEST(Faults, AListenerThatIsNoLongerAskedForIsClosedForAllWhoHoldIt) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()}, {{"drain_ms", 1'500}});
    auto other = listen_on_loopback();
    auto control = proxy.control();
    ASSERT_TRUE(control.send_with_descriptor("{\"id\":1,\"op\":\"listen\",\"names\":[\"tcp1\"]}\n",
                                             other.fd()));
    ASSERT_TRUE(contains(control.receive_until("\n"), "\"ok\""));
    auto came_by_other = connect_to(port_of(other));
    came_by_other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(came_by_other).body, "release 1");

    auto idle = proxy.client(), busy = proxy.client(), stream = proxy.client();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(idle).body, "release 1");
    stream.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    EXPECT_EQ(receive_message(stream, false).status(), 101);
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(proxy.counts(1, "in_flight", 1));

    ASSERT_TRUE(proxy.call({{"op", "unlisten"}, {"address", proxy.address()}}).contains("ok"));
    EXPECT_FALSE(proxy.client()) << "the port must refuse, though its socket is held elsewhere";
    auto answer = receive_message(busy);
    EXPECT_EQ(answer.body, "release 1");
    EXPECT_TRUE(answer.has("Connection: close"));
    EXPECT_TRUE(idle.closed_within(5'000));
    EXPECT_FALSE(backend.saw_close) << "an upgraded connection has its drain";
    EXPECT_EQ(stream.receive_until("\x03\xe9", 5'000), std::string("\x88\x02\x03\xe9", 4));

    came_by_other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    auto after = receive_message(came_by_other);
    EXPECT_EQ(after.body, "release 1") << "who came in elsewhere is not concerned";
    EXPECT_FALSE(after.has("Connection: close"));
    EXPECT_EQ(proxy.call({{"op", "unlisten"}, {"address", proxy.address()}})["error"]["code"],
              "not_found");
}

TEST(Faults, IdleItSleepsAndIsSmall) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()}, {{"upstream_idle_ms", 100}});
    for (int i = 0; i < 100; ++i)
        proxy.get("/");
    auto switches = [&] {
        std::ifstream status("/proc/" + std::to_string(proxy.pid()) + "/status");
        std::string line;
        while (std::getline(status, line))
            if (line.starts_with("voluntary_ctxt_switches:")) return std::atol(line.c_str() + 24);
        return 0L;
    };
    ASSERT_TRUE(test::eventually([&] { return backend.open() == 0; })) << "the kept connections";
    // That nothing happens can only be watched for a while.
    constexpr std::chrono::milliseconds watched{500};
    long before = -1;
    ASSERT_TRUE(test::eventually([&] {
        const auto earlier = before;
        before = switches();
        return before == earlier;
    })) << "it must go to sleep";
    std::this_thread::sleep_for(watched);
    EXPECT_EQ(switches(), before) << "woken while nothing happens";
    if (!under_sanitizer()) {
        EXPECT_LT(proxy.resident_kib(), 16 * 1024);
    }
}

}  // namespace
}  // namespace belay::proxy
