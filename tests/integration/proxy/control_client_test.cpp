#include "backend.hpp"
#include "proxy_process.hpp"

#include <belay/async/task_group.hpp>
#include <belay/proxy/control_client.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <filesystem>

namespace belay::proxy {
namespace {

namespace asio = boost::asio;

struct Client {
    explicit Client(const ProxyProcess& proxy, Millis timeout = Millis{20'000}) {
        ControlClientOptions options;
        options.socket = proxy.control_path();
        options.call_timeout = timeout;
        control = std::make_unique<ControlClient>(context.get_executor(), *timers, options);
    }

    // Runs `story` to its end, then stops the client.
    void run(Task<void> story) {
        group.spawn("story", tell(std::move(story)));
        context.run();
    }
    Task<void> tell(Task<void> story) {
        co_await std::move(story);
        co_await control->stop();
    }

    asio::io_context context{1};
    std::unique_ptr<async::Timers> timers = async::make_timers(context.get_executor());
    async::TaskGroup group{context.get_executor()};
    std::unique_ptr<ControlClient> control;
};

ports::Route shop_route(std::int64_t epoch, ReleaseNumber release, std::uint16_t port) {
    ports::Route route;
    route.app = "shop";
    route.epoch = epoch;
    route.release = release;
    route.upstreams = {{"127.0.0.1", port}};
    return route;
}

Task<void> use_everything(Client& client, ProxyProcess& proxy, std::uint16_t port) {
    auto& control = *client.control;
    control.start();
    auto hello = co_await control.hello();
    EXPECT_TRUE(hello);
    if (!hello) co_return;
    EXPECT_EQ(hello->pid, proxy.pid());
    EXPECT_EQ(hello->listeners, std::vector<std::string>{proxy.address()});
    auto route = shop_route(4, 2, port);
    auto applied = co_await control.apply(route);
    EXPECT_TRUE(applied);
    auto older = shop_route(3, 1, port);
    auto refused = co_await control.apply(older);
    EXPECT_TRUE(refused.has_error() && refused.error().code == Errc::conflict);
    auto synced = co_await control.sync();
    EXPECT_TRUE(synced);
    auto serving = co_await control.serving("shop");
    EXPECT_EQ(serving.value().epoch, 4);
    EXPECT_EQ(serving.value().release, 2);
    auto unknown = co_await control.serving("nobody");
    EXPECT_EQ(unknown.error().code, Errc::not_found);
    EXPECT_NE(proxy.get("/").find("release 2"), std::string::npos);
    auto counters = co_await control.counters("shop");
    EXPECT_EQ(counters.value().size(), 1u);
    EXPECT_EQ(counters.value()[0].requests, 1u);
    EXPECT_EQ(counters.value()[0].failed(), 0u);
    auto settings = co_await control.set_settings(ports::TrafficSettings());
    EXPECT_TRUE(settings);
    auto drained = co_await control.drain("shop", 1, Millis{10});
    EXPECT_EQ(drained.value().in_flight_left, 0u);
    auto listener = listen_on_loopback();
    auto added = co_await control.add_listener(listener.fd(), "tcp:extra");
    EXPECT_TRUE(added);
    auto through = connect_to(port_of(listener));
    through.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(receive_message(through).body, "release 2");
    auto removed =
        co_await control.remove_listener("127.0.0.1:" + std::to_string(port_of(listener)));
    EXPECT_TRUE(removed);
    auto gone = co_await control.remove("shop", 5);
    EXPECT_TRUE(gone);
}

TEST(ControlClient, DoesAllThatThePortPromises) {
    Backend backend(2);
    ProxyProcess proxy;
    Client client(proxy);
    client.run(use_everything(client, proxy, backend.port()));
}

Task<void> read_figures(Client& client, ProxyProcess& proxy, std::uint16_t port) {
    auto& control = *client.control;
    control.start();
    for (int i = 1; i <= 250; ++i) {
        auto route = shop_route(1, 1, port);
        route.app = "app" + std::to_string(i);
        route.hosts = {route.app};
        auto applied = co_await control.apply(route);
        EXPECT_TRUE(applied);
    }
    for (int i = 1; i <= 250; ++i)
        EXPECT_NE(proxy.get("/", "app" + std::to_string(i)).find("release 1"), std::string::npos);
    proxy.get("/", "nobody");
    auto figures = co_await control.figures(Millis{5'000});
    EXPECT_TRUE(figures);
    if (!figures) co_return;
    EXPECT_EQ(figures->apps.size(), 250u) << "more than one answer holds";
    for (const auto& [app, releases] : figures->apps) {
        EXPECT_EQ(releases.size(), 1u);
        EXPECT_EQ(releases[0].status[1], 1u) << app;
    }
    EXPECT_EQ(figures->unrouted, 1u);
    EXPECT_GT(figures->connections_max, 0u);
    EXPECT_NE(figures->started_at, TimePoint{});
}

TEST(ControlClient, ReadsTheFiguresOfMoreAppsThanOneAnswerHolds) {
    Backend backend(1);
    ProxyProcess proxy;
    Client client(proxy);
    client.run(read_figures(client, proxy, backend.port()));
}

Task<void> release_often(Client& client, ProxyProcess& proxy, std::uint16_t port) {
    auto& control = *client.control;
    control.start();
    std::vector<ReleaseNumber> told;
    for (int release = 1; release <= 8; ++release) {
        auto route = shop_route(release, release, port);
        route.fallback = release - 4;  // an old one, as after a rollback by hand
        auto applied = co_await control.apply(route);
        EXPECT_TRUE(applied);
        if (release != 7) proxy.get("/");
    }
    auto figures = co_await control.figures(Millis{5'000});
    for (const auto& counters : figures.value().apps["shop"])
        told.push_back(counters.release);
    EXPECT_EQ(told, (std::vector<ReleaseNumber>{4, 5, 6, 8}));
    auto all = co_await control.counters("shop");
    EXPECT_EQ(all.value().size(), 8u);
}

// What nobody will ask for again is not told for ever.
TEST(ControlClient, TellsTheFiguresOfTheNewestReleasesAndOfTheFallback) {
    Backend backend(1);
    ProxyProcess proxy;
    Client client(proxy);
    client.run(release_often(client, proxy, backend.port()));
}

Task<void> ask_in_vain(Client& client) {
    client.control->start();
    const auto began = client.timers->steady_now();
    auto figures = co_await client.control->figures(Millis{50});
    EXPECT_EQ(figures.error().code, Errc::unavailable);
    EXPECT_LT(client.timers->steady_now() - began, Millis{5'000});
}

TEST(ControlClient, WaitsForFiguresNoLongerThanTheCallersPatience) {
    ProxyProcess proxy;
    proxy.kill();
    Client client(proxy);
    client.run(ask_in_vain(client));
}

Task<void> outlive_the_proxy(Client& client, ProxyProcess& proxy, std::vector<std::int64_t>& epochs,
                             std::uint16_t port) {
    auto& control = *client.control;
    control.on_connected([&epochs](const ports::TrafficHello& hello) {
        auto at = hello.apps.find("shop");
        epochs.push_back(at == hello.apps.end() ? 0 : at->second.epoch);
    });
    control.start();
    auto route = shop_route(7, 1, port);
    auto applied = co_await control.apply(route);
    EXPECT_TRUE(applied);
    auto synced = co_await control.sync();
    EXPECT_TRUE(synced);
    proxy.kill();
    auto starting = client.timers->after(Millis{100}, [&proxy] { proxy.start(); });
    auto next = shop_route(8, 2, port);
    auto waited = co_await control.apply(next);
    EXPECT_TRUE(waited) << "a call made meanwhile waits for the proxy's return";
    auto serving = co_await control.serving("shop");
    EXPECT_EQ(serving.value().release, 2);
}

TEST(ControlClient, ConnectsAgainAndTellsOfIt) {
    Backend backend(1);
    ProxyProcess proxy;
    Client client(proxy);
    std::vector<std::int64_t> epochs;
    client.run(outlive_the_proxy(client, proxy, epochs, backend.port()));
    EXPECT_EQ(epochs, (std::vector<std::int64_t>{0, 7}));
}

Task<void> find_it_torn(Client& client, ProxyProcess& proxy, std::uint16_t one, std::uint16_t two) {
    auto& control = *client.control;
    control.start();
    auto first = shop_route(7, 1, one);
    auto applied = co_await control.apply(first);
    EXPECT_TRUE(applied);
    auto synced = co_await control.sync();
    EXPECT_TRUE(synced);
    auto second = shop_route(8, 2, two);
    applied = co_await control.apply(second);
    EXPECT_TRUE(applied);
    synced = co_await control.sync();
    EXPECT_TRUE(synced);
    proxy.kill();
    auto path = proxy.directory() + "/routes.json";
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    auto starting = client.timers->after(Millis{100}, [&proxy] { proxy.start(); });
    auto serving = co_await control.serving("shop");
    EXPECT_EQ(serving.value().epoch, 8);
    EXPECT_NE(proxy.get("/").find("release 2"), std::string::npos);
    auto removed = co_await control.remove("shop", 9);
    EXPECT_TRUE(removed);
    synced = co_await control.sync();
    EXPECT_TRUE(synced);
    proxy.kill();
    std::filesystem::resize_file(path, 0);
    auto again = client.timers->after(Millis{100}, [&proxy] { proxy.start(); });
    serving = co_await control.serving("shop");
    EXPECT_EQ(serving.value().epoch, 9);
    EXPECT_EQ(serving.value().release, 0);
}

TEST(ControlClient, TellsAProxyThatComesBackWithAnOlderRouteTheOneInForce) {
    Backend one(1), two(2);
    ProxyProcess proxy;
    Client client(proxy);
    client.run(find_it_torn(client, proxy, one.port(), two.port()));
}

Task<void> call_nobody(Client& client) {
    client.control->start();
    auto hello = co_await client.control->hello();
    EXPECT_TRUE(hello.has_error() && hello.error().code == Errc::unavailable);
}

TEST(ControlClient, GivesUpAtItsDeadline) {
    ProxyProcess proxy;
    proxy.control();
    proxy.kill();
    Client client(proxy, Millis{200});
    client.run(call_nobody(client));
    EXPECT_FALSE(client.control->connected());
}

}  // namespace
}  // namespace belay::proxy
