#include "reading.hpp"

#include <belay/config/paths.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;

TEST(Places, AreTheSystemsForRoot) {
    EXPECT_EQ(default_config_path(root_user()), "/etc/belay/belay.toml");
    EXPECT_EQ(default_server(root_user(), "/etc/belay/belay.toml"), domain::ServerConfig{});
}

TEST(Places, AreTheXdgDirectoriesForEverybodyElse) {
    auto who = plain_user();
    EXPECT_EQ(default_config_path(who), "/home/alice/.config/belay/belay.toml");
    auto server = default_server(who, default_config_path(who));
    EXPECT_EQ(server.state, "/home/alice/.local/state/belay");
    EXPECT_EQ(server.socket, "/home/alice/.local/state/belay/belay.sock");
    EXPECT_EQ(server.group, "");
    EXPECT_EQ(server.certificates, "/home/alice/.config/belay/certificates");
    EXPECT_THAT(server.proxy_listen, ElementsAre("127.0.0.1:8000"));
    EXPECT_THAT(server.git_allow, ElementsAre("https", "ssh", "git", "file"));

    who.variables = {
        {"XDG_CONFIG_HOME", "/c"}, {"XDG_STATE_HOME", "/s"}, {"XDG_RUNTIME_DIR", "/run/user/4711"}};
    EXPECT_EQ(default_config_path(who), "/c/belay/belay.toml");
    EXPECT_EQ(default_server(who, "/c/belay/belay.toml").state, "/s/belay");
    EXPECT_EQ(default_server(who, "/c/belay/belay.toml").socket, "/run/user/4711/belay/belay.sock");
    // the XDG specification: relative ones are to be ignored
    who.variables = {{"XDG_CONFIG_HOME", "c"}};
    EXPECT_EQ(default_config_path(who), "/home/alice/.config/belay/belay.toml");
}

TEST(Places, TheVariableWins) {
    auto who = root_user();
    who.variables["BELAY_CONFIG"] = "/tmp/x/belay.toml";
    EXPECT_EQ(default_config_path(who), "/tmp/x/belay.toml");
}

TEST(Places, TheSocketFollowsTheStateWhereThereIsNoRuntimeDirectory) {
    auto server = server_of("[paths]\nstate = \"/data/belay\"\n", plain_user());
    EXPECT_EQ(server.config.socket, "/data/belay/belay.sock");
    EXPECT_EQ(server_of("[paths]\nstate = \"/data/belay\"\n[server]\nsocket = \"/x.sock\"\n",
                        plain_user())
                  .config.socket,
              "/x.sock");
}

TEST(Places, FilesLieBesideTheConfiguration) {
    Beside beside("/etc/belay/belay.toml");
    EXPECT_EQ(beside.app_file("shop"), "/etc/belay/apps/shop.toml");
    EXPECT_EQ(beside.hook_secret("shop"), "/etc/belay/secrets/shop.hook");
    EXPECT_EQ(beside.deploy_key("shop"), "/etc/belay/secrets/shop.key");
    EXPECT_EQ(beside.env_file("shop"), "/etc/belay/secrets/shop.env");
    EXPECT_EQ(beside.known_hosts, "/etc/belay/known_hosts");
    EXPECT_EQ(Beside("belay.toml").apps, "./apps");
    EXPECT_EQ(Beside("/belay.toml").apps, "/apps");
}

}  // namespace
}  // namespace belay::config
