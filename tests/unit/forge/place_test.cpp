// Which forge a repository's address names, and where its pages and its API are.
#include <belay/forge/place.hpp>

#include <gtest/gtest.h>

namespace belay::forge {

// Found by its argument, so not in the unnamed namespace.
void PrintTo(const Place& place, std::ostream* out) {
    *out << place.forge << " | " << place.project << " | " << place.site << " | " << place.web
         << " | " << place.api;
}

namespace {

struct Case {
    std::string address;
    std::string forge;
    std::string api;
    Place expected;
};

void PrintTo(const Case& one, std::ostream* out) {
    *out << one.address;
}
class Places : public testing::TestWithParam<Case> {};

TEST_P(Places, AreToldByTheAddress) {
    const auto& one = GetParam();
    EXPECT_EQ(place_of(one.address, one.forge, one.api), one.expected)
        << testing::PrintToString(place_of(one.address, one.forge, one.api));
}

INSTANTIATE_TEST_SUITE_P(
    OnTheInternet, Places,
    testing::Values(
        Case{"git@github.com:acme/shop.git",
             "auto",
             "",
             {"github", "acme/shop", "https://github.com", "https://github.com/acme/shop",
              "https://api.github.com"}},
        Case{"ssh://git@ssh.github.com:443/acme/shop",
             "auto",
             "",
             {"github", "acme/shop", "https://github.com", "https://github.com/acme/shop",
              "https://api.github.com"}},
        Case{"https://octo.ghe.com/acme/shop.git",
             "auto",
             "",
             {"github", "acme/shop", "https://octo.ghe.com", "https://octo.ghe.com/acme/shop",
              "https://api.octo.ghe.com"}},
        Case{"https://gitlab.com/group/sub/shop.git",
             "auto",
             "",
             {"gitlab", "group/sub/shop", "https://gitlab.com", "https://gitlab.com/group/sub/shop",
              "https://gitlab.com/api/v4"}},
        Case{"https://codeberg.org/acme/shop.git",
             "auto",
             "",
             {"forgejo", "acme/shop", "https://codeberg.org", "https://codeberg.org/acme/shop",
              "https://codeberg.org/api/v1"}},
        Case{"git@bitbucket.org:acme/shop.git",
             "auto",
             "",
             {"bitbucket-cloud", "acme/shop", "https://bitbucket.org",
              "https://bitbucket.org/acme/shop", "https://api.bitbucket.org/2.0"}},
        Case{"https://dev.azure.com/acme/web/_git/shop",
             "auto",
             "",
             {"azure-devops", "acme/web/shop", "https://dev.azure.com",
              "https://dev.azure.com/acme/web/_git/shop", "https://dev.azure.com/acme/web"}},
        Case{"https://dev.azure.com/acme/_git/shop",
             "auto",
             "",
             {"azure-devops", "acme/shop/shop", "https://dev.azure.com",
              "https://dev.azure.com/acme/shop/_git/shop", "https://dev.azure.com/acme/shop"}},
        Case{"git@ssh.dev.azure.com:v3/acme/web/shop",
             "auto",
             "",
             {"azure-devops", "acme/web/shop", "https://dev.azure.com",
              "https://dev.azure.com/acme/web/_git/shop", "https://dev.azure.com/acme/web"}},
        Case{"https://acme.visualstudio.com/DefaultCollection/web/_git/shop",
             "auto",
             "",
             {"azure-devops", "acme/web/shop", "https://dev.azure.com",
              "https://dev.azure.com/acme/web/_git/shop", "https://dev.azure.com/acme/web"}},
        Case{"https://gitee.com/acme/shop.git",
             "auto",
             "",
             {"gitee", "acme/shop", "https://gitee.com", "https://gitee.com/acme/shop", ""}},
        Case{"git@git.sr.ht:~ann/shop",
             "auto",
             "",
             {"sourcehut", "~ann/shop", "https://git.sr.ht", "https://git.sr.ht/~ann/shop", ""}}));

INSTANTIATE_TEST_SUITE_P(
    SelfHosted, Places,
    testing::Values(
        Case{"https://git.example.com/acme/shop.git",
             "auto",
             "",
             {"", "acme/shop", "https://git.example.com", "https://git.example.com/acme/shop", ""}},
        Case{"http://git.example.com:3000/acme/shop.git",
             "gitea",
             "",
             {"gitea", "acme/shop", "http://git.example.com:3000",
              "http://git.example.com:3000/acme/shop", "http://git.example.com:3000/api/v1"}},
        Case{"https://example.com/gitea/acme/shop.git",
             "gitea",
             "",
             {"gitea", "acme/shop", "https://example.com/gitea",
              "https://example.com/gitea/acme/shop", "https://example.com/gitea/api/v1"}},
        // What ssh can't tell, the configuration does.
        Case{"ssh://git@git.lan:2222/acme/shop.git",
             "forgejo",
             "http://git.lan:3000/api/v1/",
             {"forgejo", "acme/shop", "http://git.lan:3000", "http://git.lan:3000/acme/shop",
              "http://git.lan:3000/api/v1"}},
        Case{"https://example.com/gitlab/group/sub/shop.git",
             "gitlab",
             "https://example.com/gitlab/api/v4",
             {"gitlab", "group/sub/shop", "https://example.com/gitlab",
              "https://example.com/gitlab/group/sub/shop", "https://example.com/gitlab/api/v4"}},
        Case{"git@gitlab.example.com:group/shop.git",
             "auto",
             "",
             {"gitlab", "group/shop", "https://gitlab.example.com",
              "https://gitlab.example.com/group/shop", "https://gitlab.example.com/api/v4"}},
        Case{"https://github.example.com/acme/shop",
             "auto",
             "",
             {"github", "acme/shop", "https://github.example.com",
              "https://github.example.com/acme/shop", "https://github.example.com/api/v3"}},
        Case{"https://git.example.com/scm/ACME/shop.git",
             "auto",
             "",
             {"bitbucket-server", "ACME/shop", "https://git.example.com",
              "https://git.example.com/projects/ACME/repos/shop",
              "https://git.example.com/rest/api/latest"}},
        Case{"https://git.example.com/stash/scm/~ann/shop.git",
             "bitbucket-server",
             "",
             {"bitbucket-server", "~ann/shop", "https://git.example.com/stash",
              "https://git.example.com/stash/users/ann/repos/shop",
              "https://git.example.com/stash/rest/api/latest"}},
        Case{"ssh://git@git.example.com:7999/ACME/shop.git",
             "auto",
             "",
             {"bitbucket-server", "ACME/shop", "https://git.example.com",
              "https://git.example.com/projects/ACME/repos/shop",
              "https://git.example.com/rest/api/latest"}},
        Case{"https://tfs.example.com/tfs/Main/web/_git/shop",
             "azure-devops",
             "",
             {"azure-devops", "tfs/Main/web/shop", "https://tfs.example.com",
              "https://tfs.example.com/tfs/Main/web/_git/shop",
              "https://tfs.example.com/tfs/Main/web"}},
        Case{"https://[fd00::1]:8443/acme/shop",
             "gogs",
             "",
             {"gogs", "acme/shop", "https://[fd00::1]:8443", "https://[fd00::1]:8443/acme/shop",
              ""}}));

TEST(A_place, OfAFileIsNowhere) {
    for (const auto* none : {"file:///srv/git/shop.git", "/srv/git/shop.git", "shop", "", "[::1"})
        EXPECT_EQ(place_of(none, "auto", ""), Place()) << none;
}

TEST(A_setting, OutranksTheHostsName) {
    EXPECT_EQ(place_of("https://gitlab.example.com/acme/shop", "gitea", "").forge, "gitea");
    EXPECT_EQ(place_of("https://github.com/acme/shop", "generic", "").forge, "github")
        << "who delivers by Standard Webhooks says nothing of the forge";
}

TEST(A_local_host, IsOneThatTheInternetCantReach) {
    for (const auto* host :
         {"localhost", "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.1", "192.168.0.9",
          "169.254.1.1", "100.64.0.1", "::1", "[::1]", "fd12::1", "fe80::1", "build", "git.lan",
          "nas.local", "deploy.internal", "Deploy.LAN", "x.home.arpa"})
        EXPECT_TRUE(is_local_host(host)) << host;
    for (const auto* host :
         {"deploy.example.com", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1",
          "192.169.0.1", "10.example.com", "fd.example.com", "1.2.3", "1.2.3.4.5"})
        EXPECT_FALSE(is_local_host(host)) << host;
}

}  // namespace
}  // namespace belay::forge
