#include <belay/git/repository_url.hpp>

#include <gmock/gmock.h>

namespace belay::git {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Accepted {
    const char* text;
    RepositoryUrl url;
    const char* given;  // to libgit2
};

struct AcceptedUrl : ::testing::TestWithParam<Accepted> {};

TEST_P(AcceptedUrl, IsTakenApart) {
    auto url = parse_repository_url(GetParam().text);
    ASSERT_TRUE(url.has_value()) << url.error().message;
    EXPECT_EQ(*url, GetParam().url);
    EXPECT_EQ(url->text(), GetParam().given);
    EXPECT_EQ(parse_repository_url(url->text())->text(), GetParam().given);
}

INSTANTIATE_TEST_SUITE_P(
    All, AcceptedUrl,
    ::testing::Values(
        Accepted{"https://example.com/a/b.git",
                 {"https", "", "example.com", 0, "/a/b.git"},
                 "https://example.com/a/b.git"},
        Accepted{"HTTPS://example.com:8443/a",
                 {"https", "", "example.com", 8443, "/a"},
                 "https://example.com:8443/a"},
        Accepted{"https://me@example.com/a",
                 {"https", "me", "example.com", 0, "/a"},
                 "https://example.com/a"},
        Accepted{"http://[::1]:3000/a", {"http", "", "::1", 3000, "/a"}, "http://[::1]:3000/a"},
        Accepted{"git@github.com:acme/shop.git",
                 {"ssh", "git", "github.com", 0, "acme/shop.git"},
                 "git@github.com:acme/shop.git"},
        Accepted{
            "host:/srv/shop", {"ssh", "git", "host", 0, "/srv/shop"}, "ssh://git@host/srv/shop"},
        Accepted{"ssh://deploy@host:2222/srv/shop",
                 {"ssh", "deploy", "host", 2222, "/srv/shop"},
                 "ssh://deploy@host:2222/srv/shop"},
        Accepted{"git://host/x", {"git", "", "host", 0, "/x"}, "git://host/x"},
        Accepted{"/srv/git/x.git", {"file", "", "", 0, "/srv/git/x.git"}, "/srv/git/x.git"},
        Accepted{"file:///srv/x", {"file", "", "", 0, "/srv/x"}, "/srv/x"}));

struct RefusedUrl : ::testing::TestWithParam<const char*> {};

TEST_P(RefusedUrl, IsInvalid) {
    EXPECT_FALSE(parse_repository_url(GetParam()).has_value());
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedUrl,
    ::testing::Values("", "x", "./x", "../x", "-oProxyCommand=id:x", "git@-oProxyCommand=id:x",
                      "-u@host:x", "ssh://-oProxyCommand=id/x", "ssh://-l@host/x", "git@host:-x",
                      "ext::sh -c id", "ext::https://x/y", "fd::17", "ftp://host/x",
                      "javascript://x/y", "https://", "https://host", "https://host:0/x",
                      "https://host:99999/x", "https://host:1x/x", "https:///x", "file://host/x",
                      "https://ho st/x", "https://host/a\nb", "https://[::1/x",
                      "https://user:pw@host/x", "ssh://git:pw@host/x", "http://host\\@evil/x"));

TEST(RepositoryUrl, PasswordInTheAddressIsRefusedWithoutShowingIt) {
    auto url = parse_repository_url("https://me:hunter2@example.com/x");
    ASSERT_FALSE(url.has_value());
    EXPECT_THAT(url.error().message, HasSubstr("[credentials] token"));
    EXPECT_THAT(url.error().message, Not(HasSubstr("hunter2")));
}

TEST(RepositoryUrl, SchemeMustBeAllowed) {
    auto url = *parse_repository_url("/srv/x");
    EXPECT_TRUE(check_scheme(url, {"https", "file"}).has_value());
    auto refused = check_scheme(url, {"https", "ssh"});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::forbidden);
    EXPECT_THAT(refused.error().message, HasSubstr("[git] allow"));
}

TEST(RepositoryUrl, SameHostIsSchemeHostAndPort) {
    auto url = [](const char* text) { return *parse_repository_url(text); };
    EXPECT_TRUE(same_host(url("https://a/x"), url("https://a:443/y")));
    EXPECT_FALSE(same_host(url("https://a/x"), url("http://a/x")));
    EXPECT_FALSE(same_host(url("https://a/x"), url("https://a:444/x")));
    EXPECT_FALSE(same_host(url("https://a/x"), url("https://b/x")));
    EXPECT_TRUE(same_host(url("git@a:x"), url("ssh://me@a/x")));
}

TEST(RepositoryUrl, CredentialsAreScrubbedFromAnyText) {
    EXPECT_EQ(scrub_credentials("GET https://u:p@h/x and http://tok@h2/y"),
              "GET https://***@h/x and http://***@h2/y");
    EXPECT_EQ(scrub_credentials("ssh://git@host/x"), "ssh://git@host/x");
    EXPECT_EQ(scrub_credentials("ssh://git:pw@host/x"), "ssh://***@host/x");
    EXPECT_EQ(scrub_credentials("plain text a@b"), "plain text a@b");
    EXPECT_EQ(scrub_credentials("https://h/a@b"), "https://h/a@b");
    EXPECT_EQ(scrub_credentials("https://u:p@q@h"), "https://***@h");
}

}  // namespace
}  // namespace belay::git
