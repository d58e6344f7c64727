#include <belay/release/releases.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <release/manifest_file.hpp>

namespace belay::release {
namespace {

// No field has its default, so that a forgotten one shows.
domain::Manifest full_manifest() {
    domain::ProcessPlan process;
    process.name = "worker";
    process.instances = 3;
    process.argv = {"node", "x y"};
    process.env_file = "/s/worker.env";
    process.uid = 52002;
    process.gid = 52003;
    process.groups = {27, 52002};
    process.limits = {1ull << 33, 1.5, 64};
    process.overlap = false;
    process.stop_signal = "INT";
    process.stop_to = "main";
    process.stop_timeout = Millis{1234};
    process.socket_activation = true;
    process.runtime = "systemd";
    process.ports = {20001, 20002};

    domain::Manifest manifest;
    manifest.app = "shop";
    manifest.number = 12;
    manifest.commit = std::string(40, 'a');
    manifest.ref = "refs/heads/main";
    manifest.deployment = DeploymentId{1042};
    manifest.config = "hash";
    manifest.build_key = "key";
    manifest.directory = "/var/lib/belay/releases/shop/12";
    manifest.sealed_at = TimePoint{Millis{1'700'000'000'123}};
    manifest.bytes = 1'000'000'000'000;
    manifest.files = 20'000;
    manifest.processes = {process, process};
    manifest.command = domain::CommandPlan{{"make", "install"}, 52002, 52003, {27}, Millis{4321}};
    manifest.unit = domain::UnitPlan{"shop.service", "reload", 52002, 52003};
    manifest.secrets = {"TOKEN"};
    manifest.health.type = "http";
    manifest.health.path = "/up";
    manifest.health.url = "http://127.0.0.1:9/up";
    manifest.health.method = "HEAD";
    manifest.health.headers = {{"A", "b"}};
    manifest.health.expect_status = {{201, 204}, {301, 302}};
    manifest.health.expect_body = "ok";
    manifest.health.run = {"true", {"a", "b"}};
    manifest.health.interval = Millis{1};
    manifest.health.live_interval = Millis{2};
    manifest.health.timeout = Millis{3};
    manifest.health.healthy = 4;
    manifest.health.min_healthy_time = Millis{5};
    manifest.health.unhealthy = 6;
    manifest.health.deadline = Millis{7};
    manifest.health.on_unhealthy = "restart";
    manifest.route = {{"shop.example.com"}, "/x", {"127.0.0.1:3000"}, Millis{8}};
    manifest.traffic.hosts = {"h"};
    manifest.traffic.path_prefix = "/y";
    manifest.traffic.listen = {":1"};
    manifest.traffic.https = "redirect";
    manifest.traffic.drain = Millis{9};
    manifest.traffic.bake = Millis{10};
    manifest.traffic.strategy = "canary";
    manifest.traffic.canary_steps = {1.5, 99, 99.5};
    manifest.traffic.canary_step_time = Millis{11};
    manifest.traffic.rollback_on = {0.5, 2.5, 7};
    return manifest;
}

TEST(ManifestJson, KeepsEveryField) {
    auto back = decode_manifest(encode(full_manifest()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(*back == full_manifest());
}

// A field that the codec forgot would be read back as its default; so each must differ from it.
TEST(ManifestJson, WritesNoDefaultForAFieldThatWasSet) {
    domain::Manifest nothing;
    nothing.processes.resize(2);
    auto defaults = nlohmann::json::parse(encode(nothing));
    auto set = nlohmann::json::parse(encode(full_manifest()));
    auto places = defaults.flatten();
    for (const auto& [key, value] : places.items()) {
        nlohmann::json::json_pointer place(key);
        bool differs = key == "/schema" || set.at(place) != defaults.at(place);
        EXPECT_TRUE(differs) << key;
    }
}

TEST(ManifestJson, KeepsALiveManifest) {
    domain::LiveManifest live;
    live.app = "shop";
    live.epoch = 7;
    live.stopped = true;
    live.stable = full_manifest();
    auto back = decode_live(encode(live));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(*back == live);
    EXPECT_FALSE(back->live);
}

TEST(ManifestJson, LeavesAHigherSchemaAlone) {
    auto manifest = full_manifest();
    manifest.schema = domain::kManifestSchema + 1;
    EXPECT_EQ(decode_manifest(encode(manifest)).error().code, Errc::conflict);
    domain::LiveManifest live;
    live.app = "shop";
    live.stable = manifest;
    EXPECT_EQ(decode_live(encode(live)).error().code, Errc::conflict);
}

// It would be taken for an app of which nothing runs.
TEST(ManifestJson, IsNotForAnOlderBelayWhereThereAreNoProcesses) {
    domain::Manifest manifest;
    EXPECT_EQ(manifest.needed_schema(), 1);
    manifest.command.emplace();
    EXPECT_EQ(manifest.needed_schema(), 2);
    manifest.command.reset();
    manifest.unit.emplace();
    EXPECT_EQ(manifest.needed_schema(), 3);
}

// It would start the app without the group by which it may read its release.
TEST(ManifestJson, IsNotForAnOlderBelayWhereItsUserHasGroups) {
    domain::Manifest manifest;
    manifest.processes.emplace_back();
    EXPECT_EQ(manifest.needed_schema(), 1);
    manifest.processes.back().groups = {52002};
    EXPECT_EQ(manifest.needed_schema(), 4);
    auto back = decode_manifest(encode(manifest));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->processes.at(0).groups, std::vector<int>{52002});
}

// It would start them a second time beside those that the machine started.
TEST(ManifestJson, IsNotForAnOlderBelayWhereSystemdKeepsAProcess) {
    domain::Manifest manifest;
    manifest.processes.resize(2);
    EXPECT_EQ(manifest.needed_schema(), 1);
    manifest.processes[1].runtime = "systemd";
    EXPECT_EQ(manifest.needed_schema(), 5);
}

TEST(ManifestJson, RefusesATornFileAndWrongTypes) {
    auto text = encode(full_manifest());
    EXPECT_EQ(decode_manifest(text.substr(0, text.size() / 2)).error().code, Errc::invalid);
    EXPECT_EQ(decode_manifest("[]").error().code, Errc::invalid);
    EXPECT_EQ(decode_manifest(R"({"schema": 1, "number": "x"})").error().code, Errc::invalid);
    EXPECT_EQ(decode_manifest(R"({"schema": 1, "processes": [3]})").error().code, Errc::invalid);
}

TEST(ManifestJson, ToleratesBytesThatAreNoText) {
    auto manifest = full_manifest();
    manifest.ref = "refs/heads/\xff";
    EXPECT_TRUE(decode_manifest(encode(manifest)));
}

TEST(ManifestJson, NamesItsFileList) {
    auto back = decode_sealed(encode(SealedManifest{full_manifest(), digest_of("list")}));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(back->manifest == full_manifest());
    EXPECT_EQ(back->list, digest_of("list"));
    EXPECT_EQ(decode_sealed(encode(full_manifest())).error().code, Errc::invalid);
}

}  // namespace
}  // namespace belay::release
