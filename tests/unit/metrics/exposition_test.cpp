#include "sample.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace belay::metrics {
namespace {

using test::facts;

bool has(const std::string& text, const std::string& line) {
    return text.find("\n" + line + "\n") != std::string::npos;
}

TEST(Exposition, TellsOfAnAppWhatIsKnownOfIt) {
    const auto text = exposition(facts());
    for (const char* line :
         {"belay_ready 1",
          "belay_problems 1",
          R"(belay_build_info{version="1.2.3"} 1)",
          R"(belay_app_state{app="shop",state="live"} 1)",
          R"(belay_app_state{app="shop",state="down"} 0)",
          R"(belay_app_healthy{app="shop"} 1)",
          R"(belay_app_live_release{app="shop"} 12)",
          R"(belay_app_standby_release{app="shop"} 11)",
          R"(belay_app_held{app="shop"} 1)",
          R"(belay_app_poll_failures{app="shop"} 2)",
          R"(belay_app_hold_timestamp_seconds{app="shop"} 1700000100)",
          R"(belay_deployment_running{app="shop",state="building"} 1)",
          R"(belay_deployment_start_timestamp_seconds{app="shop"} 1700000200)",
          R"(belay_queue_length{app="shop"} 1)",
          R"(belay_queue_oldest_timestamp_seconds{app="shop"} 1700000300)",
          R"(belay_deployments_total{app="shop",outcome="healthy"} 4)",
          R"(belay_deployment_failures_total{reason="disk_full",blame="machine"} 1)",
          R"(belay_deliveries_total{app="shop",decision="queued"} 5)",
          R"(belay_probes_total{app="shop",result="refused"} 6)",
          R"(belay_hook_refusals_total{reason="not_signed"} 11)",
          R"(belay_hook_refusals_total{reason="other"} 1)",
          R"(belay_certificate_expiry_timestamp_seconds{file="/etc/belay/tls.crt"} 1800000000)",
          R"(belay_outbox_messages{kind="alert",destination="ops"} 3)",
          R"(belay_outbox_oldest_timestamp_seconds{kind="alert",destination="ops"} 1700000400)",
          "belay_disk_free_bytes 1000",
          "belay_disk_reserve_bytes 300",
          "process_cpu_seconds_total 1.5"})
        EXPECT_TRUE(has(text, line)) << line << "\n" << text;
}

TEST(Exposition, CountsTheLiveReleasesProcessesAlone) {
    const auto text = exposition(facts());
    EXPECT_TRUE(has(text, R"(belay_app_processes{app="shop",state="running"} 2)"));
    EXPECT_TRUE(has(text, R"(belay_app_processes{app="shop",state="backing_off"} 0)"));
    EXPECT_TRUE(has(text, R"(belay_app_process_restarts_total{app="shop",process="web"} 6)"));
}

TEST(Exposition, MakesCumulativeBucketsOfSecondsOfTheProxysCounters) {
    const auto text = exposition(facts());
    const std::string name =
        R"(belay_proxy_request_duration_seconds_bucket{app="shop",release="12",)";
    EXPECT_TRUE(has(text, name + R"(le="0.001"} 0)")) << text;
    EXPECT_TRUE(has(text, name + R"(le="0.002"} 6)"));
    EXPECT_TRUE(has(text, name + R"(le="0.01"} 8)"));
    EXPECT_TRUE(has(text, name + R"(le="10"} 8)"));
    EXPECT_TRUE(has(text, name + R"(le="+Inf"} 9)"));
    EXPECT_TRUE(
        has(text, R"(belay_proxy_request_duration_seconds_sum{app="shop",release="12"} 12.5)"));
    EXPECT_TRUE(
        has(text, R"(belay_proxy_request_duration_seconds_count{app="shop",release="12"} 9)"));
    const std::string requests = R"(belay_proxy_requests_total{app="shop",release="12",)";
    EXPECT_TRUE(has(text, requests + R"(by="app",code="2xx"} 7)"));
    EXPECT_TRUE(has(text, requests + R"(by="app",code="5xx"} 1)"));
    EXPECT_TRUE(has(text, requests + R"(by="proxy",code="5xx"} 1)"));
}

TEST(Exposition, BeginsEachCounterOfAnAppWithZero) {
    auto fresh = facts();
    fresh.counted = {};
    const auto text = exposition(fresh);
    for (const char* outcome : {"healthy", "failed", "rolled_back", "canceled", "superseded"})
        EXPECT_TRUE(has(text, std::string(R"(belay_deployments_total{app="shop",outcome=")") +
                                  outcome + "\"} 0"));
    EXPECT_TRUE(has(text, R"(belay_deliveries_total{app="shop",decision="rejected"} 0)"));
    EXPECT_TRUE(has(text, R"(belay_deployment_failures_total{reason="internal",blame="belay"} 0)"));
}

TEST(Exposition, SaysNothingOfAppsAndReleasesThatAreGone) {
    auto removed = facts();
    removed.apps.clear();
    removed.outbox.push_back({{ports::OutgoingKind::status, "shop"}, 1, {}, 0, 0, 0});
    auto text = exposition(removed);
    EXPECT_EQ(text.find("\"shop\""), text.npos);
    EXPECT_NE(exposition(facts()).find("release=\"11\""), text.npos);
    auto later = facts();
    later.proxy->apps["shop"] = {test::counters(12)};
    EXPECT_EQ(exposition(later).find("release=\"11\""), text.npos);
}

TEST(Exposition, LeavesOutWhatIsNotKnown) {
    Facts nothing;
    nothing.apps = {engine::AppView()};
    nothing.apps[0].name = "new";
    const auto found = test::families(exposition(nothing));
    for (const char* name :
         {"belay_app_healthy", "belay_app_hold_timestamp_seconds",
          "belay_app_live_timestamp_seconds", "belay_app_poll_failures", "belay_deployment_running",
          "belay_queue_oldest_timestamp_seconds", "belay_proxy_connections",
          "belay_proxy_unrouted_requests_total", "belay_certificate_expiry_timestamp_seconds",
          "belay_disk_free_bytes", "belay_database_backup_timestamp_seconds"})
        EXPECT_EQ(found.at(name).samples, 0) << name;
    EXPECT_EQ(found.at("belay_proxy_up").samples, 1);
}

TEST(Exposition, CountsADeploymentThatWaitsForASlotAsQueued) {
    auto waiting = facts();
    waiting.apps[0].deployment->state = domain::State::queued;
    waiting.apps[0].deployment->created_at = test::at(1'600'000'000);
    const auto text = exposition(waiting);
    EXPECT_TRUE(has(text, R"(belay_queue_length{app="shop"} 2)"));
    EXPECT_TRUE(has(text, R"(belay_queue_oldest_timestamp_seconds{app="shop"} 1600000000)"));
    EXPECT_EQ(test::families(text).at("belay_deployment_running").samples, 0);
}

TEST(Exposition, WritesEachNameOnceAndEscapesWhatUsersChose) {
    auto odd = facts();
    odd.doors.certificate = "/a \"b\"\\\nc";
    const auto text = exposition(odd);
    EXPECT_NE(text.find(R"(file="/a \"b\"\\\nc")"), text.npos);
    std::multiset<std::string> names;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("# TYPE ")) continue;
        const auto name = line.substr(7, line.find(' ', 7) - 7);
        names.insert(name);
        EXPECT_EQ(names.count(name), 1u) << name;
        EXPECT_NE(text.find("# HELP " + name + " "), text.npos) << name;
    }
}

// A name, its type and its labels: `| `belay_x` | gauge | `app` `state` | ...`.
TEST(Exposition, IsWhatDocsMetricsLists) {
    std::ifstream file(std::string(BELAY_SOURCE_DIR) + "/docs/metrics.md");
    std::map<std::string, test::Family> listed;
    for (std::string line; std::getline(file, line);) {
        std::smatch parts;
        if (!std::regex_match(line, parts,
                              std::regex("\\| `(\\w+)` \\| (\\w+) \\| ([^|]*)\\| .+ \\|")))
            continue;
        auto& family = listed[parts[1]];
        family.type = parts[2];
        const std::string labels = parts[3];
        const std::regex label("`(\\w+)`");
        for (std::sregex_iterator at(labels.begin(), labels.end(), label), end; at != end; ++at)
            family.labels.insert((*at)[1]);
    }
    const auto told = test::families(exposition(facts()));
    for (const auto& [name, family] : told) {
        EXPECT_GT(family.samples, 0) << name << " has no sample here: its labels can't be compared";
        ASSERT_TRUE(listed.contains(name)) << "docs/metrics.md does not list " << name;
        EXPECT_EQ(listed[name].type, family.type) << name;
        EXPECT_EQ(listed[name].labels, family.labels) << name;
    }
    for (const auto& [name, family] : listed)
        EXPECT_TRUE(told.contains(name)) << "docs/metrics.md lists " << name;
}

// Prometheus' conventions: https://prometheus.io/docs/practices/naming/
TEST(Exposition, NamesThingsAsPrometheusDoes) {
    for (const auto& [name, family] : test::families(exposition(facts()))) {
        EXPECT_TRUE(name.starts_with("belay_") || name.starts_with("process_")) << name;
        EXPECT_EQ(name.ends_with("_total"), family.type == "counter") << name;
        if (family.type == "histogram") {
            EXPECT_TRUE(name.ends_with("_seconds")) << name;
        }
        for (const char* unit : {"_ms", "_millis", "_kb", "_mb", "_percent", "_minutes"})
            EXPECT_EQ(name.find(unit), name.npos) << name;
    }
}

}  // namespace
}  // namespace belay::metrics
