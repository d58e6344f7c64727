#include "backend.hpp"
#include "proxy_process.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace belay::proxy {
namespace {

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(Switch, RefusesOlderEpochsAndRepeatsIdenticalOnes) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    EXPECT_TRUE(proxy.route(5, 1, {one.port()}).contains("ok"));
    EXPECT_TRUE(proxy.route(5, 1, {one.port()}).contains("ok"));
    auto other = proxy.route(5, 2, {two.port()});
    EXPECT_EQ(other["error"]["code"], "conflict");
    EXPECT_TRUE(contains(other["error"]["message"], "current 5"));
    EXPECT_TRUE(proxy.route(4, 2, {two.port()}).contains("error"));
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    EXPECT_TRUE(proxy.route(6, 2, {two.port()}).contains("ok"));
    EXPECT_TRUE(contains(proxy.get("/"), "release 2"));
    EXPECT_TRUE(proxy.call({{"op", "remove"}, {"app", "shop"}, {"epoch", 6}}).contains("error"));
    EXPECT_TRUE(proxy.call({{"op", "remove"}, {"app", "shop"}, {"epoch", 7}}).contains("ok"));
    EXPECT_TRUE(proxy.call({{"op", "remove"}, {"app", "shop"}, {"epoch", 7}}).contains("ok"));
    EXPECT_TRUE(proxy.get("/").starts_with("HTTP/1.1 404"));
    EXPECT_TRUE(proxy.route(7, 2, {two.port()}).contains("error")) << "a tombstone holds its epoch";
    EXPECT_TRUE(proxy.route(8, 2, {two.port()}).contains("ok"));
}

// What the clients of the test below saw. None may fail, by decisions.md 31.
struct Seen {
    std::atomic<int> requests{0};
    std::atomic<int> failed{0};
    std::atomic<int> stale{0};  // a kept connection closed under a request
    std::atomic<int> old{0};    // answered by a release that was replaced before the request began
    std::atomic<int> slow{0};   // over a second
};

// One request each 4 ms, whatever became of the one before, on a connection that is kept or new
// each time.
void ask_steadily(const ProxyProcess& proxy, bool keep, bool post, const std::atomic<int>& current,
                  const std::atomic<bool>& done, Seen& seen) {
    Socket client;
    auto next = std::chrono::steady_clock::now();
    while (!done) {
        next += std::chrono::milliseconds(4);
        std::this_thread::sleep_until(next);
        bool kept = static_cast<bool>(client);
        if (!client) client = proxy.client();
        int expected = current;
        auto begun = std::chrono::steady_clock::now();
        bool sent =
            client.send(post ? "POST /name HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                             : "GET /name HTTP/1.1\r\nHost: a\r\n\r\n");
        auto answer = receive_message(client);
        ++seen.requests;
        if (!sent || answer.status() != 200) {
            ++(kept && answer.head.empty() ? seen.stale : seen.failed);
            client.close();
            continue;
        }
        if (std::atoi(answer.body.c_str() + 8) < expected) ++seen.old;
        if (std::chrono::steady_clock::now() - begun > std::chrono::seconds(1)) ++seen.slow;
        if (!keep) client.close();
    }
}

TEST(Switch, HundredsUnderLoadFailNoRequestAndCloseNoConnection) {
    Backend even(1000), odd(1001);
    ProxyProcess proxy;
    proxy.route(1, 1000, {even.port()});
    std::atomic<int> current{1000};
    std::atomic<bool> done{false};
    Seen seen;
    std::vector<std::thread> clients;
    for (bool keep : {true, true, false})
        for (bool post : {true, false})
            clients.emplace_back(
                [&, keep, post] { ask_steadily(proxy, keep, post, current, done, seen); });
    auto control = proxy.control();
    constexpr int kSwitches = 300;
    constexpr std::chrono::milliseconds pace{8};  // so that requests meet each release
    for (int i = 1; i <= kSwitches; ++i) {
        int release = 1000 + i;
        auto& next = release % 2 ? odd : even;
        next.release = release;
        json route = {{"app", "shop"},
                      {"epoch", 1 + i},
                      {"release", release},
                      {"upstreams", {{{"host", "127.0.0.1"}, {"port", next.port()}}}}};
        control.send(json{{"id", i}, {"op", "route"}, {"route", route}}.dump() + "\n");
        ASSERT_TRUE(contains(control.receive_until("\n"), "\"ok\""));
        current = release;  // from the answer on, nobody may see an older one
        std::this_thread::sleep_for(pace);
    }
    done = true;
    for (auto& client : clients)
        client.join();
    EXPECT_GT(seen.requests, 1000);
    EXPECT_EQ(seen.failed, 0);
    EXPECT_EQ(seen.stale, 0);
    EXPECT_EQ(seen.old, 0);
    EXPECT_EQ(seen.slow, 0);
}

TEST(Switch, LetsTheOldReleaseFinishAndTellsWhenItHas) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port()});
    auto client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(proxy.counts(1, "in_flight", 1));
    EXPECT_EQ(proxy.call({{"op", "drain"},
                          {"app", "shop"},
                          {"release", 1},
                          {"timeout_ms", 10}})["error"]["code"],
              "conflict");
    proxy.route(2, 2, {two.port()});
    auto cut_short =
        proxy.call({{"op", "drain"}, {"app", "shop"}, {"release", 1}, {"timeout_ms", 1}});
    EXPECT_EQ(cut_short["ok"]["in_flight_left"], 1);
    EXPECT_TRUE(contains(proxy.get("/"), "release 2"));
    auto drained =
        proxy.call({{"op", "drain"}, {"app", "shop"}, {"release", 1}, {"timeout_ms", 10'000}});
    EXPECT_EQ(drained["ok"]["in_flight_left"], 0);
    EXPECT_EQ(receive_message(client).body, "release 1");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(client).body, "release 2") << "the same connection, the new release";
}

TEST(Switch, DropsIdleConnectionsToTheOldReleaseAtOnce) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port()});
    auto waiting = proxy.client();
    waiting.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");  // keeps the old route in use
    EXPECT_TRUE(contains(proxy.get("/"), "release 1"));
    EXPECT_EQ(one.open(), 2u);
    proxy.route(2, 2, {two.port()});
    EXPECT_TRUE(test::eventually([&] { return one.open() == 1; }, std::chrono::seconds(1)))
        << "its idle timeout is four seconds";
    EXPECT_TRUE(contains(proxy.get("/"), "release 2"));
    waiting.close();
    one.stop();
    EXPECT_TRUE(contains(proxy.get("/"), "release 2"));
}

// A listener that answers no SYN while one connection waits in its queue.
struct FullListener {
    FullListener() : socket(listen_on_loopback()) {
        ::listen(socket.fd(), 0);
        filler = connect_to(port_of(socket));
    }
    Socket socket;
    Socket filler;
};

TEST(Switch, ARequestThatStillWaitsForAConnectionGoesToTheNewRelease) {
    FullListener old;
    Backend two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {port_of(old.socket)});
    auto client = proxy.client();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    ASSERT_TRUE(proxy.counts(1, "in_flight", 1));
    proxy.route(2, 2, {two.port()});
    Socket filled(::accept(old.socket.fd(), nullptr, nullptr));
    Socket late(::accept(old.socket.fd(), nullptr, nullptr));  // when the SYN is sent again
    EXPECT_EQ(receive_message(client).body, "hi");
    EXPECT_EQ(late.receive_all(1'000), "") << "nothing goes to the old release after the answer";
    EXPECT_EQ(two.requests, 1);
}

constexpr const char* kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const std::string kGoingAwayFrame("\x88\x02\x03\xe9", 4);
const std::string kClientClose("\x88\x82\0\0\0\0\x03\xe9", 8);

Socket open_stream(const ProxyProcess& proxy) {
    auto client = proxy.client();
    client.send(kUpgrade);
    EXPECT_TRUE(contains(client.receive_until("\r\n\r\n"), " 101 "));
    return client;
}

TEST(Switch, EndsUpgradedStreamsWithACloseFrameAfterTheDrain) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port()});
    auto stream = open_stream(proxy);
    proxy.route(2, 2, {two.port()});
    stream.send("\x81\x02hi");
    EXPECT_EQ(stream.receive_until("hi"), "\x81\x02hi") << "the switch alone ends nothing";
    auto drained =
        proxy.call({{"op", "drain"}, {"app", "shop"}, {"release", 1}, {"timeout_ms", 50}});
    EXPECT_EQ(drained["ok"]["streams_closed"], 1);
    EXPECT_EQ(stream.receive_until(kGoingAwayFrame), kGoingAwayFrame);
    stream.send(kClientClose);
    EXPECT_TRUE(stream.closed_within(5'000));
    EXPECT_TRUE(proxy.counts(1, "open_streams", 0));
    EXPECT_TRUE(one.saw_close) << "the client's answer must reach the app";
    EXPECT_EQ(proxy.counters(1)["gateway_errors"], 0);
    EXPECT_EQ(proxy.counters(1)["truncated"], 0);
}

TEST(Switch, PutsTheCloseFrameBetweenTwoFramesOnly) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port()});
    auto stream = open_stream(proxy);
    stream.send(std::string("\x81\x0ahello", 7));  // half a frame of ten
    EXPECT_EQ(stream.receive_until("hello").size(), 7u);
    proxy.route(2, 2, {two.port()});
    proxy.call({{"op", "drain"}, {"app", "shop"}, {"release", 1}, {"timeout_ms", 0}});
    stream.send("world");
    EXPECT_EQ(stream.receive_until(kGoingAwayFrame), "world" + kGoingAwayFrame);
}

TEST(Switch, KeepsTwoDrainingReleasesAtMost) {
    Backend backend(1);
    ProxyProcess proxy;
    std::vector<Socket> streams;
    for (int release = 1; release <= 4; ++release) {
        proxy.route(release, release, {backend.port()});
        streams.push_back(open_stream(proxy));
    }
    EXPECT_EQ(streams[0].receive_until(kGoingAwayFrame), kGoingAwayFrame)
        << "the oldest goes without being asked";
    streams[1].send("\x81\x02ok");
    EXPECT_EQ(streams[1].receive_until("ok"), "\x81\x02ok");
}

// The app goes on as if the client were still there; the client has ended its direction.
Socket open_deaf_stream(const ProxyProcess& proxy, const Backend& backend) {
    auto client = proxy.client();
    client.send(
        "GET /ws-deaf HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
        "Upgrade: raw\r\n\r\n");
    EXPECT_TRUE(contains(client.receive_until("\r\n\r\n"), " 101 "));
    client.finish_writing();
    EXPECT_TRUE(test::eventually([&] { return backend.saw_end.load(); }));
    return client;
}

TEST(Switch, EndsInOrderThoughAnAppIsDeafToItsClientsEnd) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    auto client = open_deaf_stream(proxy, backend);
    proxy.terminate();
    EXPECT_TRUE(test::eventually([&] {
        proxy.terminate();
        return proxy.ended();
    }));
}

TEST(Switch, HoldsNothingForAHalfClosedClientThatVanishes) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    auto client = open_deaf_stream(proxy, backend);
    linger hard{1, 0};
    ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    client.close();
    EXPECT_TRUE(proxy.counts(1, "open_streams", 0));
}

TEST(Switch, EndsStreamsOfAReplacedReleaseWithoutTheDaemonToo) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    proxy.route(1, 1, {one.port()}, {{"drain_ms", 100}});
    auto stream = open_stream(proxy);
    proxy.route(2, 2, {two.port()});
    EXPECT_EQ(stream.receive_until(kGoingAwayFrame), kGoingAwayFrame);
}

TEST(Switch, RoutesByHostPathAndListener) {
    Backend shop(1), api(2), other(3), own(4), daemon(5);
    ProxyProcess proxy;
    auto apply = [&](const std::string& app, Backend& backend, json more) {
        json route = {{"app", app},
                      {"epoch", 1},
                      {"release", backend.release.load()},
                      {"upstreams", {{{"host", "127.0.0.1"}, {"port", backend.port()}}}}};
        route.update(more);
        EXPECT_TRUE(proxy.call({{"op", "route"}, {"route", route}}).contains("ok"));
    };
    apply("shop", shop, {{"hosts", {"shop.example.com"}}});
    apply("api", api,
          {{"hosts", {"shop.example.com", "*.api.example.com"}}, {"path_prefix", "/api"}});
    apply("other", other, json::object());
    proxy.call({{"op", "settings"},
                {"settings",
                 {{"public_host", "deploy.example.com"},
                  {"daemon", {{"host", "127.0.0.1"}, {"port", daemon.port()}}}}}});
    EXPECT_TRUE(contains(proxy.get("/", "Shop.Example.COM:8000"), "release 1"));
    EXPECT_TRUE(contains(proxy.get("/api/x", "shop.example.com"), "release 2"));
    EXPECT_TRUE(contains(proxy.get("/apis", "shop.example.com"), "release 1"));
    EXPECT_TRUE(contains(proxy.get("/api", "x.y.api.example.com"), "release 2"));
    EXPECT_TRUE(contains(proxy.get("/", "unknown"), "release 3"));
    EXPECT_TRUE(contains(proxy.get("/hooks/shop", "deploy.example.com"), "release 5"));
    for (auto hidden :
         {"/", "/api/v1/apps", "/hooks/../api", "/hooks/", "/hooks/a/b", "/hooks/%2e%2e"})
        EXPECT_TRUE(contains(proxy.get(hidden, "deploy.example.com"), "release 3")) << hidden;
    // From now on the listener belongs to one app, whatever the host.
    apply("own", own, {{"listen", {proxy.address()}}});
    EXPECT_TRUE(contains(proxy.get("/", "shop.example.com"), "release 4"));
}

}  // namespace
}  // namespace belay::proxy
