// Every key of the table goes into a snapshot and comes back.
#include "config/snapshot.hpp"

#include "config/reference.hpp"
#include "config/tables.hpp"
#include "reading.hpp"

#include <gtest/gtest.h>

#include <map>

namespace belay::config {
namespace {

const std::string kRepo = "repo = \"https://github.com/acme/shop.git\"\n";

// A value other than the default for every key; the text is a file's, the path is looked for in the
// table.
const std::map<std::string, std::string> kServiceTexts{
    {"repo", "repo = \"https://github.com/acme/other.git\""},
    {"branch", "branch = \"next\""},
    {"tags", "tags = \"v*\""},
    {"directory", "directory = \"apps/web\""},
    {"submodules", "submodules = false"},
    {"poll", "poll = \"90s\""},
    {"approval", "approval = \"manual\""},
    {"pipeline", "pipeline = \"repository\""},
    {"paths", "paths = { include = [\"a\"], exclude = [\"b\"] }"},
    {"paths.include", "paths.include = [\"src/**\"]"},
    {"paths.exclude", "paths.exclude = [\"docs/**\"]"},
    {"path", "path = [\"/opt/node/bin\"]"},
    {"ship", "ship = [\"dist/**\"]"},
    {"shared", "shared = [\"storage\"]"},
    {"writable", "writable = [\"tmp\"]"},
    {"env", "env = { A = \"x\\ny\", B = 5 }"},
    {"secrets", "secrets = { A = { env = \"B\" }, C = { credential = \"d\" } }"},
    {"credentials", "credentials = { username = \"x\" }"},
    {"credentials.token", "credentials.token = { env = \"T\" }"},
    {"credentials.username", "credentials.username = \"deploy\""},
    {"credentials.ca", "credentials.ca = \"/etc/ca.pem\""},
    {"credentials.key", "credentials.key = { credential = \"key\" }"},
    {"credentials.known_hosts", "credentials.known_hosts = [\"/etc/ssh/known\"]"},
    {"webhook", "webhook = { forge = \"generic\" }"},
    {"webhook.secret", "webhook.secret = [{ env = \"A\" }, { env = \"B\" }]"},
    {"webhook.forge", "webhook.forge = \"github\""},
    {"build", "build = [{ run = \"a\" }, { run = [\"b\", \"c\"] }]"},
    {"test", "test = { run = \"a\" }"},
    {"release", "release = { run = \"a\" }"},
    {"release.run", "release.run = \"a\""},
    {"release.timeout", "release = { run = \"a\", timeout = \"1m\" }"},
    {"release.idempotent", "release = { run = \"a\", idempotent = true }"},
    {"release.rollback", "release = { run = \"a\", rollback = \"unsafe\" }"},
    {"health", "health = { path = \"/up\" }"},
    {"health.type", "health = { type = \"none\" }"},
    {"health.path", "health.path = \"/healthz\""},
    {"health.url", "health.url = \"http://127.0.0.1:9000/up\""},
    {"health.run", "health = { type = \"exec\", run = [\"bin/check\"] }"},
    {"health.method", "health.method = \"HEAD\""},
    {"health.headers", "health.headers = { Accept = \"text/html\" }"},
    {"health.expect_status", "health.expect_status = \"200-204,304\""},
    {"health.expect_body", "health.expect_body = \"ok\""},
    {"health.interval", "health.interval = \"1500ms\""},
    {"health.live_interval", "health.live_interval = \"20s\""},
    {"health.timeout", "health.timeout = \"2s\""},
    {"health.healthy", "health.healthy = 3"},
    {"health.min_healthy_time", "health.min_healthy_time = \"0s\""},
    {"health.unhealthy", "health.unhealthy = 5"},
    {"health.deadline", "health.deadline = \"1m\""},
    {"health.on_unhealthy", "health.on_unhealthy = \"restart\""},
    {"traffic", "traffic = { drain = \"5s\" }"},
    {"traffic.hosts", "traffic.hosts = [\"shop.example.com\"]"},
    {"traffic.path_prefix", "traffic.path_prefix = \"/shop\""},
    {"traffic.listen", "traffic.listen = [\"127.0.0.1:3000\"]"},
    {"traffic.https", "traffic.https = \"redirect\""},
    {"traffic.drain", "traffic.drain = \"1h30m\""},
    {"traffic.bake", "traffic.bake = \"5m\""},
    {"traffic.strategy", "traffic.strategy = \"canary\""},
    {"traffic.canary", "traffic.canary = { steps = [\"1%\"] }"},
    {"traffic.canary.steps", "traffic.canary.steps = [\"0.5%\", \"33.3%\"]"},
    {"traffic.canary.step_time", "traffic.canary.step_time = \"5m\""},
    {"traffic.rollback_on", "traffic.rollback_on = { baseline = 2 }"},
    {"traffic.rollback_on.error_ratio", "traffic.rollback_on.error_ratio = \"0.7%\""},
    {"traffic.rollback_on.baseline", "traffic.rollback_on.baseline = 1.75"},
    {"traffic.rollback_on.min_requests", "traffic.rollback_on.min_requests = 500"},
    {"keep", "keep = { releases = 7 }"},
    {"keep.releases", "keep.releases = 1"},
    {"keep.logs", "keep.logs = \"7d\""},
    {"keep.disk", "keep.disk = \"12345678\""},
    {"notify", "notify = { failed = [\"ops\"], live = [\"ops\"] }"},
    {"status", "status = { url = \"https://a.example/api\" }"},
    {"status.token", "status.token = { env = \"S\" }"},
    {"status.url", "status.url = \"https://gitea.lan/api/v1\""},
};

// Keys of a step ([build], [test]) and of a process ([service], [service.NAME]).
const std::map<std::string, std::string> kStepTexts{
    {"run", "\"make\""},
    {"timeout", "\"7m\""},
    {"silence", "\"1m\""},
    {"env", "{ A = \"1\" }"},
    {"secrets", "[\"TOKEN\"]"},
    {"cache", "[\"x\"]"},
    {"sandbox", "\"off\""},
    {"network", "false"},
    {"user", "\"builder\""},
    {"limits", "{ cpu = 2 }"},
    {"limits.memory", "\"1536KiB\""},
    {"limits.cpu", "0.5"},
    {"limits.processes", "77"},
};
const std::map<std::string, std::string> kProcessTexts{
    {"run", "[\"bin/web\", \"-v\"]"},
    {"instances", "3"},
    {"overlap", "false"},
    {"stop_signal", "\"QUIT\""},
    {"stop_to", "\"main\""},
    {"stop_timeout", "\"1s\""},
    {"env", "{ A = \"1\" }"},
    {"limits", "{ processes = 9 }"},
    {"limits.memory", "\"1GiB\""},
    {"limits.cpu", "1"},
    {"limits.processes", "8"},
    {"user", "\"shop\""},
    {"socket_activation", "true"},
    {"runtime", "\"systemd\""},
};
const std::map<std::string, std::string> kCommandTexts{{"run", "[\"make\", \"install\"]"},
                                                       {"timeout", "\"7m\""},
                                                       {"env", "{ A = \"1\" }"},
                                                       {"secrets", "[\"TOKEN\"]"},
                                                       {"user", "\"ops\""}};

std::string table_text(const std::string& table, const std::string& key, const std::string& value) {
    return kRepo + "secrets.TOKEN = { env = \"T\" }\n[" + table + "]\n" +
           (key == "run" ? "" : "run = \"x\"\n") + key + " = " + value + "\n";
}

std::string text_for(const std::string& path) {
    auto dot = path.find('.');
    auto table = path.substr(0, dot);
    auto key = dot == path.npos ? std::string() : path.substr(dot + 1);
    const std::string web = "service = { run = \"bin/web\" }\n";
    if (table == "build" && !key.empty()) return web + table_text(table, key, kStepTexts.at(key));
    if (table == "test" && !key.empty()) return web + table_text(table, key, kStepTexts.at(key));
    if (table == "service" && !key.empty()) return table_text(table, key, kProcessTexts.at(key));
    if (table == "command" && !key.empty())
        return "health.url = \"http://127.0.0.1:1/\"\n" +
               table_text(table, key, kCommandTexts.at(key));
    if (path == "service")
        return kRepo + "[service.web]\nrun = \"a\"\n[service.zeta]\nrun = \"b\"\n";
    if (path == "command")
        return "health.url = \"http://127.0.0.1:1/\"\n" + table_text("command", "run", "\"a\"");
    const std::string unit =
        kRepo + "health.url = \"http://127.0.0.1:1/\"\n[unit]\nname = \"a.service\"\n";
    if (path == "unit" || path == "unit.name") return unit;
    if (path == "unit.action") return unit + "action = \"reload\"\n";
    if (table == "static") return kRepo + "[static]\nroot = \"dist\"\n";
    return (path == "repo" ? "" : kRepo) + kServiceTexts.at(path) +
           "\n[service]\nrun = \"bin/web\"\n";
}

TEST(Snapshot, EveryKeyGoesInAndComesBack) {
    auto who = root_user();
    who.systemd = true;
    auto server = server_of("[notify.ops]\ntype = \"slack\"\n");
    auto plain = app_of(kRepo + "[service]\nrun = \"bin/web\"\n", server).config.value();
    for (const auto& path : key_paths(app_key_infos())) {
        auto file = app_of(text_for(path), server, "shop", who);
        ASSERT_TRUE(file.config) << path << ": " << file.complaints[0].to_string();
        EXPECT_FALSE(*file.config == plain) << path << " changes nothing";
        auto json = encode(*file.config);
        EXPECT_NE(json, encode(plain)) << path << " is not in the snapshot";
        auto back = decode(json);
        ASSERT_TRUE(back) << path << ": " << back.error().message;
        EXPECT_EQ(*back, *file.config) << path;
        EXPECT_EQ(encode(*back), json) << path;
    }
}

TEST(Snapshot, IsCanonical) {
    auto one =
        app_of(kRepo + "[service]\nrun = \"x\"\n[env]\nB = \"2\"\nA = \"1\"\n").config.value();
    auto other =
        app_of(kRepo +
               "branch = \"main\"\n[env]\nA = 1\nB = 2\n[service]\ninstances = 1\nrun = \"x\"\n")
            .config.value();
    EXPECT_EQ(encode(one), encode(other));
    EXPECT_EQ(encode(one).find("\"approval\":\"none\""), 1u);
    EXPECT_EQ(encode(one).find('\n'), std::string::npos);
    EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Snapshot, HasReferencesToSecretsAndNoValue) {
    auto text = kRepo +
                "[service]\nrun = \"x\"\n[secrets]\nA = \"hunter2\"\nB = { file = \"/nowhere/b\" "
                "}\n[webhook]\nsecret = \"hunter2\"\n";
    auto draft = read_app(text, "shop", "/nowhere/apps/shop.toml", server_of(), root_user());
    auto json = encode(draft.config);
    EXPECT_EQ(json.find("hunter2"), std::string::npos) << json;
    EXPECT_NE(
        json.find(
            R"("secrets":{"A":{"inline":"/nowhere/apps/shop.toml#secrets.A"},"B":{"file":"/nowhere/b"}})"),
        std::string::npos)
        << json;
    auto back = decode(json);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->secrets.at("A").kind, domain::SecretRef::Kind::inline_value);
    EXPECT_TRUE(back->secrets.at("A").value.empty());
}

TEST(Snapshot, OfAnotherVersionIsReadAsFarAsItGoes) {
    auto back = decode(
        R"({"name":"shop","repo":"https://a.example/b","service":{"web":{"run":"x","later":1}},"new_table":{"a":[1]}})");
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->name, "shop");
    EXPECT_EQ(back->branch, "main");
    EXPECT_EQ(back->processes.at(0).run.shell, "x");
}

TEST(Snapshot, RubbishIsAnError) {
    std::string deep(100'000, '[');
    for (const auto& bad : {std::string(), std::string("{"), std::string("[]"), std::string("5"),
                            std::string("{\"branch\":5}"), deep, "{\"env\":" + deep})
        EXPECT_FALSE(decode(bad)) << bad.substr(0, 20);
    EXPECT_EQ(
        decode("{\"branch\":5}").error().message,
        "the stored configuration: branch: wants a branch such as \"main\", not the number 5");
}

}  // namespace
}  // namespace belay::config
