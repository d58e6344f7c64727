#include "proxy/routing.hpp"

#include <gtest/gtest.h>

namespace belay::proxy {
namespace {

struct RoutingTest : testing::Test {
    Loop loop;
    Routing routing{loop};

    ports::Route route(const std::string& app, std::int64_t epoch, ReleaseNumber release) {
        ports::Route made;
        made.app = app;
        made.epoch = epoch;
        made.release = release;
        made.upstreams = {{"127.0.0.1", 2000}};
        return made;
    }
    std::string found(const std::string& host, const std::string& target,
                      const std::string& listener = "0.0.0.0:80") {
        auto live = routing.table().find(listener, host, target);
        return live ? live->route.app : "";
    }
};

TEST_F(RoutingTest, TakesHigherEpochsAndRepeatsOnly) {
    EXPECT_TRUE(routing.apply(route("shop", 3, 1)));
    EXPECT_TRUE(routing.apply(route("shop", 3, 1)));
    EXPECT_EQ(routing.apply(route("shop", 3, 2)).error().code, Errc::conflict);
    EXPECT_EQ(routing.apply(route("shop", 2, 1)).error().code, Errc::conflict);
    EXPECT_TRUE(routing.apply(route("shop", 4, 2)));
    EXPECT_TRUE(routing.apply(route("blog", 1, 1))) << "epochs are per app";
    EXPECT_EQ(routing.remove("shop", 4).error().code, Errc::conflict);
    EXPECT_TRUE(routing.remove("shop", 5));
    EXPECT_TRUE(routing.remove("shop", 5));
    EXPECT_EQ(routing.apply(route("shop", 5, 2)).error().code, Errc::conflict);
    EXPECT_EQ(routing.serving().at("shop"), (ports::Serving{5, 0, 0}));
}

TEST_F(RoutingTest, RemembersTombstonesOfAppsItNeverRouted) {
    EXPECT_TRUE(routing.remove("shop", 7));
    EXPECT_FALSE(routing.apply(route("shop", 6, 1)));
    EXPECT_TRUE(routing.apply(route("shop", 8, 1)));
}

TEST_F(RoutingTest, RefusesRoutesThatCannotWork) {
    auto bad = route("shop", 1, 1);
    bad.upstreams = {{"example.com", 80}};
    EXPECT_EQ(routing.apply(bad).error().code, Errc::invalid);
    bad.upstreams = {{"127.0.0.1", 0}};
    EXPECT_EQ(routing.apply(bad).error().code, Errc::invalid);
    bad = route("shop", 1, 1);
    bad.path_prefix = "api";
    EXPECT_EQ(routing.apply(bad).error().code, Errc::invalid);
    bad = route("shop", 0, 1);
    EXPECT_EQ(routing.apply(bad).error().code, Errc::invalid);
    bad = route("shop", 1, 1);
    bad.hosts = {"a.*.example"};
    EXPECT_EQ(routing.apply(bad).error().code, Errc::invalid);
    EXPECT_TRUE(routing.serving().empty());
}

TEST_F(RoutingTest, FindsByHostThenLongestPrefixThenDefault) {
    auto with = [&](const std::string& app, std::vector<std::string> hosts,
                    const std::string& prefix) {
        auto made = route(app, 1, 1);
        made.hosts = std::move(hosts);
        made.path_prefix = prefix;
        EXPECT_TRUE(routing.apply(made));
    };
    with("all", {}, "/");
    with("shop", {"Shop.Example.com", "[::1]"}, "/");
    with("api", {"shop.example.com"}, "/api/");
    with("v2", {"shop.example.com"}, "/api/v2");
    with("wild", {"*.example.com"}, "/");
    with("deep", {"*.a.example.com"}, "/");
    EXPECT_EQ(found("shop.example.com:8080", "/"), "shop");
    EXPECT_EQ(found("SHOP.example.com.", "/x?y=/api"), "shop");
    EXPECT_EQ(found("shop.example.com", "/api?x"), "api");
    EXPECT_EQ(found("shop.example.com", "/api/v2/x"), "v2");
    EXPECT_EQ(found("shop.example.com", "/api/v22"), "api");
    EXPECT_EQ(found("x.example.com", "/"), "wild");
    EXPECT_EQ(found("x.a.example.com", "/"), "deep");
    EXPECT_EQ(found("example.com", "/"), "all");
    EXPECT_EQ(found("[::1]:80", "/"), "shop");
    EXPECT_EQ(found("", "*"), "all");
}

TEST_F(RoutingTest, AListenerOfItsOwnBelongsToOneApp) {
    auto own = route("own", 1, 1);
    own.listen = {"127.0.0.1:3000", ":4000"};
    EXPECT_TRUE(routing.apply(own));
    EXPECT_EQ(found("any", "/", "127.0.0.1:3000"), "own");
    EXPECT_EQ(found("any", "/", "0.0.0.0:4000"), "own");
    EXPECT_EQ(found("any", "/", "[::]:4000"), "own");
    EXPECT_EQ(found("any", "/"), "") << "without hosts it has no part in the shared listeners";
}

TEST_F(RoutingTest, ShowsOfTheDaemonWhatIsExposed) {
    EXPECT_TRUE(routing.apply(route("all", 1, 1)));
    ports::TrafficSettings settings;
    settings.public_host = "deploy.example.com";
    settings.daemon = {"127.0.0.1", 8080};
    EXPECT_TRUE(routing.set_settings(settings));
    EXPECT_EQ(found("deploy.example.com", "/hooks/shop?x"), "");  // the daemon has no app's name
    EXPECT_TRUE(routing.table().find("", "deploy.example.com", "/hooks/shop"));
    EXPECT_EQ(found("deploy.example.com", "/"), "all");
    settings.expose = ports::Expose::all;
    EXPECT_TRUE(routing.set_settings(settings));
    EXPECT_EQ(found("deploy.example.com", "/"), "");
    settings.expose = ports::Expose::none;
    EXPECT_TRUE(routing.set_settings(settings));
    EXPECT_EQ(found("deploy.example.com", "/hooks/shop"), "all");
}

TEST_F(RoutingTest, ReplacedRoutesAreMarkedAndInstancesOfTheSameReleaseKept) {
    EXPECT_TRUE(routing.apply(route("shop", 1, 1)));
    auto first = routing.table().find("", "", "/");
    auto same = route("shop", 2, 1);
    same.hosts = {"shop.example.com"};
    EXPECT_TRUE(routing.apply(same));
    auto second = routing.table().find("", "shop.example.com", "/");
    EXPECT_TRUE(first->retired);
    EXPECT_EQ(first->targets[0], second->targets[0]);
    EXPECT_TRUE(routing.apply(route("shop", 3, 2)));
    EXPECT_TRUE(second->retired);
    EXPECT_NE(routing.table().find("", "", "/")->targets[0], second->targets[0]);
}

TEST_F(RoutingTest, KeepsCountersOfFewReleases) {
    for (int i = 1; i <= 40; ++i)
        EXPECT_TRUE(routing.apply(route("shop", i, i)));
    auto counters = routing.counters("shop");
    EXPECT_LE(counters.size(), 17u);
    EXPECT_EQ(counters.back().release, 40);
}

TEST(HookTarget, IsExactlyOneApp) {
    for (auto good : {"/hooks/shop", "/hooks/shop-2?payload=x"})
        EXPECT_TRUE(is_hook_target(good)) << good;
    for (auto bad : {"/hooks", "/hooks/", "/hooks/a/", "/hooks/../x", "/hooks/%61", "/Hooks/a",
                     "//hooks/a", "/hooks/A"})
        EXPECT_FALSE(is_hook_target(bad)) << bad;
}

}  // namespace
}  // namespace belay::proxy
