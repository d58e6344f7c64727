#include "config/grammar.hpp"

#include "config/nearest.hpp"

#include <gtest/gtest.h>

namespace belay::config {
namespace {

TEST(Repo, IsReadInAllItsForms) {
    struct Expected {
        std::string text, scheme, host, path;
    };
    for (const auto& each : std::vector<Expected>{
             {"https://github.com/acme/shop.git", "https", "github.com", "/acme/shop.git"},
             {"https://git.example:8443/a", "https", "git.example", "/a"},
             {"http://127.0.0.1:3000/a", "http", "127.0.0.1", "/a"},
             {"ssh://git@git.example:2222/a/b", "ssh", "git.example", "/a/b"},
             {"ssh://git@[::1]:2222/a", "ssh", "::1", "/a"},
             {"git@github.com:acme/shop.git", "ssh", "github.com", "acme/shop.git"},
             {"github.com:acme/shop", "ssh", "github.com", "acme/shop"},
             {"git://127.0.0.1/shop.git", "git", "127.0.0.1", "/shop.git"},
             {"file:///srv/git/shop.git", "file", "", "/srv/git/shop.git"},
             {"/srv/git/shop.git", "file", "", "/srv/git/shop.git"},
         }) {
        auto parsed = parse_repo(each.text);
        ASSERT_TRUE(parsed) << each.text << ": " << parsed.error().message;
        EXPECT_EQ(parsed->scheme, each.scheme) << each.text;
        EXPECT_EQ(parsed->host, each.host) << each.text;
        EXPECT_EQ(parsed->path, each.path) << each.text;
    }
}

TEST(Repo, RefusesWhatGitWouldTakeForMore) {
    for (const auto* bad : {"",
                            "-x",
                            "--upload-pack=x",
                            "ext::sh",
                            "git@-x:y",
                            "git@host:-x",
                            "-u@host:x",
                            "ssh://-x/y",
                            "ssh://@h/y",
                            "https://h",
                            "https://h/",
                            "https:///x",
                            "https://u@h/x",
                            "https://u:p@h/x",
                            "http://u:p@h/x",
                            "git://u@h/x",
                            "ssh://u:p@h/x",
                            "user:token@host/x",
                            "https://h:99999/x",
                            "https://h:/x",
                            "https://h x/y",
                            "https://h/x#main",
                            "file://x",
                            "file://host/x",
                            "shop.git",
                            "./shop",
                            "../shop",
                            "C:\\x",
                            "javascript://x/y",
                            "https://h\n/x"})
        EXPECT_FALSE(parse_repo(bad)) << bad;
}

TEST(Branch, FollowsGitsRules) {
    for (const auto* good : {"main", "feature/x", "a.b", "ümlaut", "v1"})
        EXPECT_TRUE(check_branch(good)) << good;
    for (const auto* bad : {"-x",
                            "a..b",
                            "a b",
                            "a~",
                            "a^",
                            "a:b",
                            "a?",
                            "a*",
                            "a[",
                            "a\\b",
                            "/a",
                            "a/",
                            "a//b",
                            "a.",
                            "a.lock",
                            "a@{b",
                            "@",
                            ".a",
                            "refs/heads/main",
                            "refs/tags/v1",
                            "a\nb"})
        EXPECT_FALSE(check_branch(bad)) << bad;
    for (const auto* good : {"v*", "v[0-9]*", "release-?.*"})
        EXPECT_TRUE(check_tag_pattern(good)) << good;
    for (const auto* bad : {"-*", "v *", "a..b", "refs/tags/v*"})
        EXPECT_FALSE(check_tag_pattern(bad)) << bad;
}

TEST(Paths, StayInside) {
    EXPECT_EQ(*check_relative_path("./a//b/"), "a/b");
    EXPECT_EQ(*check_relative_path(""), "");
    EXPECT_EQ(*check_relative_path("a..b/...c"), "a..b/...c");
    for (const auto* bad :
         {"/a", "..", "a/../b", "a/..", "../a", "~/a", ".git", "a/.git/b", "a\nb"})
        EXPECT_FALSE(check_relative_path(bad)) << bad;
    EXPECT_EQ(*check_cache_path("~/.npm/"), "~/.npm");
    for (const auto* bad : {"~", "~/", "~/../x", "~bob/x", "", ".", "/x"})
        EXPECT_FALSE(check_cache_path(bad)) << bad;
    EXPECT_FALSE(check_pattern(""));
    EXPECT_FALSE(check_pattern("a/../**"));
}

TEST(Hosts, AreHostNames) {
    EXPECT_EQ(*check_host_name("Shop.Example.COM"), "shop.example.com");
    for (const auto* good : {"localhost", "a", "a-b.c", "192.168.1.5", "xn--mnchen-3ya.de"})
        EXPECT_TRUE(check_host_name(good)) << good;
    for (const auto* bad : {"", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "a:80", "*.a",
                            "münchen.de", "https://a", "a/b", "[::1]"})
        EXPECT_FALSE(check_host_name(bad)) << bad;
    EXPECT_FALSE(check_host_name(std::string(64, 'a')));
}

TEST(Listen, KnowsWhatCollides) {
    auto address = [](const char* text) { return parse_listen(text).value(); };
    EXPECT_TRUE(address(":80").collides(address("127.0.0.1:80")));
    EXPECT_TRUE(address(":80").collides(address("[::1]:80")));
    EXPECT_TRUE(address("0.0.0.0:80").collides(address("127.0.0.1:80")));
    EXPECT_FALSE(address("0.0.0.0:80").collides(address("[::1]:80")));
    EXPECT_FALSE(address("127.0.0.1:80").collides(address("127.0.0.2:80")));
    EXPECT_FALSE(address(":80").collides(address(":81")));
    for (const auto* bad : {"", "80", ":", ":0", ":65536", "a:80", "localhost:80", "*:80", "::1:80",
                            "[::1]", "[x]:80", "1.2.3:80", ":80x"})
        EXPECT_FALSE(parse_listen(bad)) << bad;
}

TEST(Probes, NeverAskAMetadataService) {
    for (const auto* bad :
         {"http://169.254.169.254/", "http://[fe80::1]/", "http://[fd00:ec2::254]/x",
          "http://metadata.google.internal/", "http://100.100.100.200/",
          "http://[::ffff:169.254.169.254]/", "ftp://x/", "http://u:p@x/", "http://"})
        EXPECT_FALSE(check_probe_url(bad)) << bad;
    for (const auto* good :
         {"http://127.0.0.1:9000/up?x=1", "http://[::1]:9000", "https://shop.example.com/"})
        EXPECT_TRUE(check_probe_url(good)) << good;
}

TEST(Networks, AreCidr) {
    EXPECT_EQ(*check_network("10.0.0.1"), "10.0.0.1/32");
    for (const auto* bad :
         {"", "10.0.0.0/33", "10.0.0/8", "::1/129", "x/8", "10.0.0.0/", "10.0.0.0/x"})
        EXPECT_FALSE(check_network(bad)) << bad;
}

TEST(Nearest, FindsSlipsOfTheFinger) {
    std::vector<std::string> known{"timeout", "silence",          "env",         "secrets",
                                   "cache",   "min_healthy_time", "stop_timeout"};
    EXPECT_EQ(nearest("tiemout", known), "timeout");
    EXPECT_EQ(nearest("Timeout", known), "timeout");
    EXPECT_EQ(nearest("secret", known), "secrets");
    EXPECT_EQ(nearest("minHealthyTime", known), "min_healthy_time");
    EXPECT_EQ(nearest("envs", known), "env");
    EXPECT_EQ(nearest("quux", known), "");
    EXPECT_EQ(nearest("", known), "");
    EXPECT_EQ(nearest(std::string(10'000, 'x'), known), "");
    EXPECT_EQ(edit_distance("ab", "ba"), 1);
}

}  // namespace
}  // namespace belay::config
