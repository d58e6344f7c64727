// Apps beside each other on one server.
#include "reading.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kApp = "repo = \"https://a.example/b\"\n[service]\nrun = \"x\"\n[traffic]\n";

// Complaints about blog and shop.
std::vector<std::string> together(const std::string& blog, const std::string& shop,
                                  const std::string& belay = "") {
    auto server = server_of(belay);
    std::vector<AppDraft> drafts;
    drafts.push_back(read_app(kApp + blog, "blog", "/nowhere/apps/blog.toml", server, root_user()));
    drafts.push_back(read_app(kApp + shop, "shop", "/nowhere/apps/shop.toml", server, root_user()));
    std::vector<AppPart> parts;
    for (auto& draft : drafts)
        parts.push_back({draft.reading.get(), &draft.config});
    check_together(parts, server.config, root_user());
    std::vector<std::string> lines;
    for (auto& draft : drafts)
        for (const auto& line : lines_of(finish(std::move(draft), server).complaints))
            lines.push_back(line);
    return lines;
}

TEST(Together, OneHostBelongsToOneApp) {
    EXPECT_THAT(together("hosts = [\"A.example\", \"b.example\"]", "hosts = [\"a.example\"]"),
                ElementsAre("blog.toml:5:9: traffic.hosts: a.example is of the app shop too "
                            "(/nowhere/apps/shop.toml)",
                            "shop.toml:5:9: traffic.hosts: a.example is of the app blog too "
                            "(/nowhere/apps/blog.toml)"));
    EXPECT_THAT(
        together("hosts = [\"a.example\"]", "hosts = [\"a.example\"]\npath_prefix = \"/shop\""),
        IsEmpty());
}

TEST(Together, OneAppAtMostAnswersWhereNoOtherDoes) {
    EXPECT_THAT(together("", ""),
                ElementsAre("blog.toml:4:1: traffic.hosts: this app and shop "
                            "(/nowhere/apps/shop.toml) both have no hosts and no listen, but "
                            "only one app can answer where no other does: give this one hosts = "
                            "[\"blog.example.com\"] or a port of its own",
                            "shop.toml:4:1: traffic.hosts: this app and blog "
                            "(/nowhere/apps/blog.toml) both have no hosts and no listen, but "
                            "only one app can answer where no other does: give this one hosts = "
                            "[\"shop.example.com\"] or a port of its own"));
    EXPECT_THAT(together("", "listen = [\"127.0.0.1:3000\"]"), IsEmpty());
    EXPECT_THAT(together("", "hosts = [\"a.example\"]"), IsEmpty());
}

TEST(Together, OneUserBelongsToOneApp) {
    auto file = [](const std::string& host, const std::string& rest) {
        return "hosts = [\"" + host + "\"]\n" + rest;
    };
    // Also by another name.
    EXPECT_THAT(
        together(file("a.example", "[build]\nrun = \"x\"\nuser = \"shop\"\n"),
                 file("b.example", "[test]\nrun = \"x\"\nuser = \"same-as-shop\"\n")),
        ElementsAre("shop.toml:8:8: test.user: \"same-as-shop\" is the user of the app blog "
                    "already: each app needs one of its own, as the same user can read the "
                    "other's secrets"));
    EXPECT_THAT(together(file("a.example", "[build]\nrun = \"x\"\nuser = \"shop\"\n"),
                         file("b.example", "[build]\nrun = \"x\"\nuser = \"builder\"\n")),
                IsEmpty());
}

TEST(Together, APortIsBoundOnce) {
    EXPECT_THAT(together("listen = [\"127.0.0.1:3000\"]", "listen = [\":3000\"]"),
                ElementsAre("blog.toml:5:10: traffic.listen: \"127.0.0.1:3000\" can't be bound "
                            "beside \":3000\" of the app shop",
                            "shop.toml:5:10: traffic.listen: \":3000\" can't be bound beside "
                            "\"127.0.0.1:3000\" of the app blog"));
    EXPECT_THAT(
        together("listen = [\"127.0.0.1:3000\"]", "listen = [\"127.0.0.2:3000\", \"[::1]:3000\"]"),
        IsEmpty());
    EXPECT_THAT(together("listen = [\"127.0.0.1:8080\"]", "listen = [\"0.0.0.0:80\"]"),
                ElementsAre("blog.toml:5:10: traffic.listen: \"127.0.0.1:8080\" can't be bound "
                            "beside \"127.0.0.1:8080\" of server.listen of "
                            "belay.toml",
                            "shop.toml:5:10: traffic.listen: \"0.0.0.0:80\" can't be bound beside "
                            "\":80\" of proxy.listen of belay.toml"));
}

TEST(Together, TheDashboardsHostIsNoApps) {
    auto belay = "[server]\npublic_url = \"https://deploy.example\"\nexpose = \"all\"\n";
    EXPECT_THAT(
        together("hosts = [\"deploy.example\"]", "", belay),
        ElementsAre("blog.toml:5:9: traffic.hosts: deploy.example is public_url's host, where "
                    "belay.toml shows the dashboard "
                    "(server.expose = \"all\"); give this app a path_prefix or another host"));
    EXPECT_THAT(together("hosts = [\"deploy.example\"]", "",
                         "[server]\npublic_url = \"https://deploy.example\"\n"),
                IsEmpty());
}

TEST(Together, WithoutASharedPortAnAppNeedsItsOwn) {
    EXPECT_THAT(
        together("hosts = [\"a.example\"]", "listen = [\":3000\"]", "[proxy]\nlisten = []\n"),
        ElementsAre("blog.toml:4:1: warning: traffic.listen: is empty, and belay.toml has no "
                    "shared port ([proxy] listen = []): "
                    "nobody can reach this app"));
}

}  // namespace
}  // namespace belay::config
