// What `belay init` says to enter where, forge by forge, against the texts in guides/.
// BELAY_UPDATE_GUIDES=1 writes them anew.
#include <belay/forge/guide.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace belay::forge {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kGuides = std::string(BELAY_SOURCE_DIR) + "/tests/unit/forge/guides/";
constexpr const char* kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample belay-shop";

GuideFacts facts(std::string address, std::string forge = "auto", std::string api = "") {
    GuideFacts facts;
    facts.app = "shop";
    facts.place = place_of(address, forge, api);
    facts.branch = "main";
    if (!address.starts_with("http")) facts.public_key = kKey;
    facts.secret_file = "/etc/belay/secrets/shop.hook";
    facts.app_file = "/etc/belay/apps/shop.toml";
    facts.config_file = "/etc/belay/belay.toml";
    facts.public_url = "https://deploy.example.com";
    facts.listen = "127.0.0.1:8080";
    facts.poll = "5m";
    return facts;
}

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void expect_golden(const std::string& name, const GuideFacts& given) {
    auto text = setup_guide(given).text;
    const auto path = kGuides + name + ".txt";
    if (std::getenv("BELAY_UPDATE_GUIDES")) std::ofstream(path) << text;
    EXPECT_EQ(text, read(path)) << path;
}

TEST(A_guide, OfGithubSaysWhatToEnterWhere) {
    expect_golden("github", facts("git@github.com:acme/shop.git"));
}
TEST(A_guide, OfGitlabSaysWhatToEnterWhere) {
    expect_golden("gitlab", facts("git@gitlab.com:group/sub/shop.git"));
}
TEST(A_guide, OfALocalGitlabNamesTheSettingThatLetsItDeliver) {
    auto local = facts("git@gitlab.lan:group/shop.git", "gitlab", "http://gitlab.lan/api/v4");
    local.public_url = "http://192.168.1.5";
    expect_golden("gitlab-local", local);
}
TEST(A_guide, OfGiteaNamesTheSettingThatLetsItDeliver) {
    auto local = facts("https://git.lan:3000/acme/shop.git", "gitea");
    local.public_url = "http://deploy.lan:8080";
    local.needs_token = true;
    expect_golden("gitea-local", local);
}
TEST(A_guide, OfForgejoSaysWhatToEnterWhere) {
    expect_golden("forgejo", facts("git@codeberg.org:acme/shop.git"));
}
TEST(A_guide, OfGogsSaysWhatToEnterWhere) {
    auto local = facts("git@gogs.lan:acme/shop.git", "gogs");
    local.public_url = "http://10.0.0.7";
    expect_golden("gogs-local", local);
}
TEST(A_guide, OfBitbucketCloudSaysWhatToEnterWhere) {
    expect_golden("bitbucket-cloud", facts("git@bitbucket.org:acme/shop.git"));
}
TEST(A_guide, OfBitbucketDataCenterSaysWhatToEnterWhere) {
    expect_golden("bitbucket-server", facts("ssh://git@git.example.com:7999/ACME/shop.git"));
}
TEST(A_guide, OfAzureDevopsSaysWhatToEnterWhere) {
    expect_golden("azure-devops", facts("git@ssh.dev.azure.com:v3/acme/web/shop"));
}
TEST(A_guide, OfGiteeSaysWhatToEnterWhere) {
    expect_golden("gitee", facts("git@gitee.com:acme/shop.git"));
}
TEST(A_guide, OfSourcehutGivesTheQueryToPaste) {
    expect_golden("sourcehut", facts("git@git.sr.ht:~ann/shop"));
}
TEST(A_guide, OfAnUnknownForgeShowsTheLikelyOnes) {
    auto unknown = facts("git@git.example.com:acme/shop.git");
    expect_golden("unknown", unknown);
}
TEST(A_guide, WithoutAPublicUrlSaysHowHooksGetIn) {
    auto closed = facts("https://github.com/acme/shop");
    closed.public_url.clear();
    expect_golden("github-no-public-url", closed);
}

TEST(A_guide, SaysThatAForgeOnTheInternetCantReachALocalAddress) {
    auto local = facts("git@github.com:acme/shop.git");
    local.public_url = "http://192.168.1.5";
    EXPECT_THAT(setup_guide(local).text, HasSubstr("where github.com can't reach it"));
    auto beside = facts("git@gitea.lan:acme/shop.git", "gitea");
    beside.public_url = local.public_url;
    EXPECT_THAT(setup_guide(beside).text, Not(HasSubstr("can't reach it")));
}

TEST(A_guide, NeverShowsTheSecretItself) {
    for (auto name : guided_forges()) {
        auto one = facts("https://git.example.com/acme/web/_git/shop", std::string(name));
        EXPECT_THAT(setup_guide(one).text, HasSubstr("/etc/belay/secrets/shop.hook")) << name;
    }
}

TEST(A_guide, CountsItsSections) {
    EXPECT_EQ(setup_guide(facts("git@github.com:acme/shop")).sections, 2);
    EXPECT_EQ(setup_guide(facts("https://github.com/acme/shop")).sections, 1);
    auto closed = facts("https://github.com/acme/shop");
    closed.needs_token = true;
    EXPECT_EQ(setup_guide(closed).sections, 2);
}

}  // namespace
}  // namespace belay::forge
