#include "cli/progress.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace belay::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kStart = "2026-11-22T12:00:00.000Z";

Canvas at(int seconds) {
    return Canvas{.now = *parse_time(kStart) + Seconds{seconds}};
}
std::string time_at(int seconds) {
    return format_time(*parse_time(kStart) + Seconds{seconds});
}

json record(std::string state, json stages) {
    return {{"id", "d12"},
            {"app", "shop"},
            {"ref", "refs/heads/main"},
            {"commit", "1a2b3c4d5e"},
            {"state", std::move(state)},
            {"created_at", kStart},
            {"stages", std::move(stages)},
            {"release", 7}};
}

json stage(std::string name, std::string state, int from, int to = -1) {
    return {{"name", std::move(name)},
            {"state", std::move(state)},
            {"attempt", 1},
            {"started_at", time_at(from)},
            {"finished_at", to < 0 ? json() : json(time_at(to))}};
}

TEST(Progress, WithoutATerminalIsALinePerChange) {
    Progress progress(false);
    std::string text = progress.update(record("queued", json::array()), at(0));
    text += progress.update(record("queued", json::array()), at(1));
    text += progress.update(record("fetching", {stage("fetch", "running", 1)}), at(1));
    text += progress.update(record("fetching", {stage("fetch", "running", 1)}), at(2));
    text += progress.tick(at(2));
    text += progress.update(
        record("building", {stage("fetch", "passed", 1, 3), stage("build", "running", 3)}), at(3));
    text += progress.update(
        record("failed", {stage("fetch", "passed", 1, 3), stage("build", "failed", 3, 65)}),
        at(65));
    EXPECT_EQ(text,
              "d12 shop main 1a2b3c4\n"
              "[   0ms] queued     waits for its turn\n"
              "[  1.0s] fetch      started\n"
              "[  3.0s] fetch      passed in 2.0s\n"
              "[  3.0s] build      started\n"
              "[ 1m05s] build      failed in 1m02s\n");
}

TEST(Progress, OnATerminalRewritesTheLineOfWhatRuns) {
    Progress progress(true);
    EXPECT_EQ(progress.update(record("fetching", {stage("fetch", "running", 0)}), at(1)),
              "d12 shop main 1a2b3c4\n\r\x1b[K⠋ fetch      1.0s");
    EXPECT_EQ(progress.tick(at(2)), "\r\x1b[K⠙ fetch      2.0s");
    EXPECT_EQ(progress.update(record("building", {stage("fetch", "passed", 0, 3),
                                                  stage("build", "running", 3)}),
                              at(3)),
              "\r\x1b[K✓ fetch      3.0s\n\r\x1b[K⠹ build      0ms");
    EXPECT_EQ(progress.update(record("failed", {stage("fetch", "passed", 0, 3),
                                                stage("build", "failed", 3, 5)}),
                              at(5)),
              "\r\x1b[K✗ build      2.0s\n");
    EXPECT_EQ(progress.close(), "");
}

TEST(Progress, ShowsThatItWaitsForAPerson) {
    Progress progress(false);
    progress.update(record("testing", {stage("test", "passed", 0, 1)}), at(1));
    EXPECT_EQ(progress.update(record("awaiting_approval", {stage("test", "passed", 0, 1)}), at(1)),
              "[  1.0s] awaiting_approval waits for `belay approve`\n");
}

TEST(Progress, ShowsASecondAttemptOfAStageAnew) {
    Progress progress(false);
    auto first = stage("build", "canceled", 0, 1);
    auto second = stage("build", "running", 2);
    second["attempt"] = 2;
    progress.update(record("building", {first}), at(1));
    EXPECT_EQ(progress.update(record("building", {first, second}), at(2)),
              "[  2.0s] build      started\n");
}

TEST(Outcome, OfAHealthyDeploymentNamesTheRelease) {
    auto healthy = record("healthy", json::array());
    healthy["finished_at"] = time_at(48);
    EXPECT_EQ(render_outcome(healthy, at(50)),
              "d12 is healthy after 48s: shop release 7 is live\n");
}

TEST(Outcome, OfAFailureSaysWhy) {
    auto failed = record("failed", json::array());
    failed.update({{"finished_at", time_at(5)},
                   {"reason", "build_failed"},
                   {"stage", "building"},
                   {"blame", "user"},
                   {"exit_code", 2},
                   {"detail", "npm run build ended with 2"},
                   {"log_tail", {"no such module"}}});
    EXPECT_EQ(render_outcome(failed, at(5)),
              "d12 ended failed after 5.0s\n"
              "build_failed in building, exit 2 (to be mended by: user)\n"
              "npm run build ended with 2\n"
              "  | no such module\n");
    auto superseded = record("superseded", json::array());
    superseded.update({{"superseded_by", "d13"}, {"reason", "superseded"}});
    EXPECT_EQ(render_outcome(superseded, at(5)),
              "d12 ended superseded\nd13 took its place: `belay show d13`\nsuperseded\n");
}

TEST(Outcome, IsOneOfFiveEnds) {
    for (auto end : {"healthy", "failed", "rolled_back", "canceled", "superseded"})
        EXPECT_TRUE(has_ended({{"state", end}})) << end;
    for (auto open : {"queued", "baking", "rolling_back", ""})
        EXPECT_FALSE(has_ended({{"state", open}})) << open;
    EXPECT_FALSE(has_ended(json()));
}

}  // namespace
}  // namespace belay::cli
