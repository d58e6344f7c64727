// What the keys mean once they are read.
#include "reading.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;

const std::string kRepo = "repo = \"https://github.com/acme/shop.git\"\n";
const std::string kService = "[service]\nrun = \"bin/web\"\n";

domain::AppConfig config_of(const std::string& text, const LoadedServer& server = server_of()) {
    auto file = app_of(text, server);
    EXPECT_TRUE(file.config) << (file.complaints.empty() ? "" : file.complaints[0].to_string());
    return file.config.value_or(domain::AppConfig{});
}

std::vector<std::string> errors_of(const std::vector<ports::Complaint>& complaints) {
    std::vector<std::string> errors;
    for (const auto& each : complaints)
        if (!each.warning) errors.push_back(each.to_string());
    return errors;
}

TEST(Settings, WhatNobodySaysHasTheDefaultOfTheSpecification) {
    auto app = config_of(kRepo + kService);
    domain::AppConfig expected;
    expected.name = "shop";
    expected.file = "/nowhere/apps/shop.toml";
    expected.repo = "https://github.com/acme/shop.git";
    domain::Process web;
    web.run.shell = "bin/web";
    expected.processes = {web};
    EXPECT_EQ(app, expected);
}

// The blocks of spec/interfaces.md §2, word by word: complaints are of files that aren't there and
// of what comes later alone.
TEST(Settings, TheSpecificationsAppFileIsUnderstood) {
    auto text = file_content(std::string(BELAY_SOURCE_DIR) + "/tests/unit/config/data/shop.toml");
    ASSERT_FALSE(text.empty());
    auto server = server_of("[notify.ops]\ntype = \"slack\"\n");
    auto file = app_of(text, server);
    EXPECT_THAT(
        errors_of(file.complaints),
        ElementsAre(
            "/nowhere/apps/shop.toml:19:16: secrets.DATABASE_URL: /etc/belay/secrets/shop.db does "
            "not exist; `install -m "
            "600 -o root /dev/null /etc/belay/secrets/shop.db` makes an empty one to write it into",
            "/nowhere/apps/shop.toml:22:12: credentials.token: /etc/belay/secrets/shop.token does "
            "not exist; `install -m "
            "600 -o root /dev/null /etc/belay/secrets/shop.token` makes an empty one to write it "
            "into",
            "/nowhere/apps/shop.toml:27:10: webhook.secret: /etc/belay/secrets/shop.hook does not "
            "exist; `install -m 600 "
            "-o root /dev/null /etc/belay/secrets/shop.hook` makes an empty one to write it into",
            "/nowhere/apps/shop.toml:107:9: status.token: /etc/belay/secrets/status does not "
            "exist; `install -m 600 -o "
            "root /dev/null /etc/belay/secrets/status` makes an empty one to write it into"));
}

TEST(Settings, TheSpecificationsServerFileSaysTheDefaults) {
    auto text = file_content(std::string(BELAY_SOURCE_DIR) + "/tests/unit/config/data/belay.toml");
    auto server = server_of(text);
    EXPECT_THAT(
        errors_of(server.complaints),
        ElementsAre("/nowhere/belay.toml:31:8: notify.ops.url: /etc/belay/secrets/slack does not "
                    "exist; `install -m 600 -o root "
                    "/dev/null /etc/belay/secrets/slack` makes an empty one to write it into"));
    // what is marked (e.g.) there
    server.config.public_url.clear();
    server.config.tls_cert.clear();
    server.config.tls_key.clear();
    server.config.channels.clear();
    EXPECT_EQ(server.config, domain::ServerConfig{});
}

TEST(Settings, TheAppsFileWinsOverDefaultsOverBuiltIn) {
    auto server = server_of(
        "[defaults]\nbranch = \"stable\"\npoll = \"1m\"\nshared = "
        "[\"a\"]\n[defaults.build]\ntimeout = \"5m\"\nenv = { A = \"1\", B = "
        "\"1\" }\n[defaults.service]\nstop_timeout = \"5s\"\n[defaults.health]\npath = "
        "\"/up\"\ninterval = \"2s\"\n");
    ASSERT_TRUE(server.ok) << server.complaints[0].to_string();
    auto app = config_of("poll = \"2m\"\nshared = [\"b\"]\n" + kRepo + kService +
                             "[[build]]\nrun = \"x\"\nenv = { B = \"2\" }\n[[build]]\nrun = "
                             "\"y\"\ntimeout = \"7m\"\n[health]\ninterval = \"3s\"\n",
                         server);
    EXPECT_EQ(app.branch, "stable");
    EXPECT_EQ(app.poll, Millis{120'000});
    EXPECT_THAT(app.shared, ElementsAre("b"));
    ASSERT_EQ(app.build.size(), 2u);
    EXPECT_EQ(app.build[0].timeout, Millis{300'000});
    EXPECT_EQ(app.build[0].env, (domain::Environment{{"A", "1"}, {"B", "2"}}));
    EXPECT_EQ(app.build[1].timeout, Millis{420'000});
    EXPECT_EQ(app.build[1].name, "build-2");
    EXPECT_EQ(app.processes.at(0).stop_timeout, Millis{5'000});
    EXPECT_EQ(app.health.type, "http");
    EXPECT_EQ(app.health.interval, Millis{3'000});
    EXPECT_EQ(app.health.timeout, Millis{5'000});
}

TEST(Settings, DefaultsOfAStepMakeNoStep) {
    auto server = server_of(
        "[defaults.build]\ntimeout = \"5m\"\n[defaults.service]\nstop_timeout = \"5s\"\n");
    EXPECT_TRUE(config_of(kRepo + kService, server).build.empty());
    auto app = config_of(kRepo + "[static]\nroot = \"dist\"\n", server);
    EXPECT_EQ(app.target, domain::Target::static_files);
    EXPECT_TRUE(app.processes.empty());
}

TEST(Settings, AnAppsOwnHealthTypeMakesVoidWhatDefaultsSayForAnother) {
    auto server = server_of("[defaults.health]\npath = \"/up\"\n");
    auto app = config_of(kRepo + kService + "[health]\ntype = \"tcp\"\n", server);
    EXPECT_EQ(app.health.type, "tcp");
    EXPECT_EQ(app.health.path, "");
}

TEST(Settings, SeveralProcessesInheritFromTheirTable) {
    auto app = config_of(kRepo +
                         "[service]\nstop_timeout = \"5s\"\nenv = { A = \"1\" "
                         "}\n[service.worker]\nrun = [\"bin/worker\", \"a "
                         "b\"]\ninstances = 2\nenv = { B = \"2\" }\n[service.alpha]\nrun = "
                         "\"bin/alpha\"\n[service.web]\nrun = "
                         "\"bin/web\"\nstop_signal = \"SIGINT\"\n");
    ASSERT_EQ(app.processes.size(), 3u);
    EXPECT_EQ(app.processes[0].name, "web");
    EXPECT_EQ(app.processes[0].stop_signal, "INT");
    EXPECT_EQ(app.processes[1].name, "alpha");
    EXPECT_EQ(app.processes[2].name, "worker");
    EXPECT_EQ(app.processes[2].instances, 2);
    EXPECT_EQ(app.processes[2].stop_timeout, Millis{5'000});
    EXPECT_EQ(app.processes[2].env, (domain::Environment{{"A", "1"}, {"B", "2"}}));
    EXPECT_THAT(app.processes[2].run.argv, ElementsAre("bin/worker", "a b"));
    EXPECT_TRUE(app.processes[2].run.shell.empty());
}

TEST(Settings, TagsAloneFollowNoBranch) {
    EXPECT_EQ(config_of("tags = \"v*\"\n" + kRepo + kService).branch, "");
    EXPECT_EQ(config_of("tags = \"v*\"\nbranch = \"main\"\n" + kRepo + kService).branch, "main");
}

TEST(Settings, ValuesTakeTheirNormalForm) {
    auto app = config_of(
        "poll = \"off\"\nsubmodules = true\ndirectory = \"./apps//web/\"\npaths.include = "
        "[\"docs/\"]\n" +
        kRepo +
        "[webhook]\nsecret = [{ env = \"A\" }, { credential = \"b\" }]\n[env]\nN = 5\nB = true\nF "
        "= 1.5\n" +
        kService +
        "[health]\nexpect_status = [200, \"301-302, 304\"]\n[traffic]\nhosts = "
        "[\"Shop.Example.COM\"]\npath_prefix = "
        "\"/shop/\"\nrollback_on = { error_ratio = \"7%\" }\n[build]\nrun = \"x\"\ncache = "
        "[\"~/.npm/\", \"./target\"]\n");
    EXPECT_FALSE(app.poll);
    EXPECT_EQ(app.submodules, "true");
    EXPECT_EQ(app.directory, "apps/web");
    EXPECT_THAT(app.include_paths, ElementsAre("docs/**"));
    EXPECT_EQ(app.env, (domain::Environment{{"N", "5"}, {"B", "true"}, {"F", "1.5"}}));
    EXPECT_THAT(app.health.expect_status,
                ElementsAre(domain::StatusRange{200, 200}, domain::StatusRange{301, 302},
                            domain::StatusRange{304, 304}));
    EXPECT_THAT(app.traffic.hosts, ElementsAre("shop.example.com"));
    EXPECT_EQ(app.traffic.path_prefix, "/shop");
    EXPECT_EQ(app.traffic.rollback_on.error_ratio, 0.07);
    EXPECT_THAT(app.build[0].cache, ElementsAre("~/.npm", "target"));
    ASSERT_EQ(app.webhook.secrets.size(), 2u);
    EXPECT_EQ(app.webhook.secrets[1].kind, domain::SecretRef::Kind::credential);
}

TEST(Settings, NotAsRootFilesOfTheSameUserAreAllowed) {
    auto server = server_of("", plain_user());
    EXPECT_TRUE(
        app_of("repo = \"/nowhere/shop.git\"\n" + kService, server, "shop", plain_user()).config);
    auto other = app_of("repo = \"/etc\"\n" + kService, server, "shop", plain_user());
    EXPECT_THAT(lines_of(other.complaints),
                ElementsAre("shop.toml:1:8: repo: /etc belongs to another user; not as root, only "
                            "repositories of the same user are read"));
    auto named = server_of("[git]\nallow = [\"https\"]\n", plain_user());
    EXPECT_FALSE(
        app_of("repo = \"/nowhere/shop.git\"\n" + kService, named, "shop", plain_user()).config);
}

}  // namespace
}  // namespace belay::config
