#include "proxy/routes_file.hpp"

#include <gtest/gtest.h>

namespace belay::proxy {
namespace {

TEST(RoutesText, HoldsAllThatServingNeeds) {
    RoutingState state;
    ports::Route route;
    route.app = "shop";
    route.epoch = 12;
    route.release = 5;
    route.hosts = {"shop.example.com"};
    route.path_prefix = "/x";
    route.listen = {"127.0.0.1:3000"};
    route.upstreams = {{"127.0.0.1", 20001}, {"::1", 20002}};
    route.fallback = 4;
    route.fallback_upstreams = {{"127.0.0.1", 20003}};
    route.drain = Millis{1};
    route.upstream_idle = Millis{2};
    route.response_timeout = Millis{3};
    state.routes = {route};
    state.tombstones = {{"gone", 9}};
    state.settings.public_host = "deploy.example.com";
    state.settings.expose = ports::Expose::all;
    state.settings.daemon = {"127.0.0.1", 8080};
    state.settings.trusted_proxies = {"10.0.0.0/8"};
    state.settings.connections_max = 77;
    auto read = parse_routes(format_routes(state));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->routes, state.routes);
    EXPECT_EQ(read->tombstones, state.tombstones);
    EXPECT_EQ(read->settings, state.settings);
}

TEST(RoutesText, TellsTornFromNewer) {
    auto text = format_routes(RoutingState());
    for (std::size_t size = 0; size + 2 < text.size(); ++size)
        EXPECT_EQ(parse_routes(text.substr(0, size)).error().code, Errc::invalid) << size;
    EXPECT_EQ(parse_routes("{\"schema\": 2}").error().code, Errc::forbidden);
    EXPECT_EQ(parse_routes("{}").error().code, Errc::invalid);
    EXPECT_EQ(parse_routes("{\"schema\": 1, \"routes\": [5]}").error().code, Errc::invalid);
    EXPECT_TRUE(parse_routes("{\"schema\": 1, \"unknown\": true}"));
}

}  // namespace
}  // namespace belay::proxy
