#include "command_run.hpp"
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <csignal>
#include <sys/wait.h>

namespace belay::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json record(const std::string& state) {
    json stages = json::array();
    auto stage = [&](const char* name, const char* how) {
        bool done = std::string(how) != "running";
        stages.push_back({{"name", name},
                          {"attempt", 1},
                          {"state", how},
                          {"started_at", "2026-11-22T11:59:50.000Z"},
                          {"finished_at", done ? json("2026-11-22T11:59:52.000Z") : json()}});
    };
    if (state != "queued") stage("fetch", state == "fetching" ? "running" : "passed");
    if (state == "building") stage("build", "running");
    if (state == "failed") stage("build", "failed");
    if (state == "healthy") stage("build", "passed");
    json made{{"id", "d12"},  {"app", "shop"},    {"state", state},
              {"release", 7}, {"stages", stages}, {"created_at", "2026-11-22T11:59:48.000Z"}};
    if (state == "failed")
        made.update({{"reason", "build_failed"},
                     {"stage", "building"},
                     {"exit_code", 2},
                     {"blame", "user"},
                     {"detail", "it ended with 2"},
                     {"log_tail", {"no such module"}}});
    return made;
}

// A daemon whose deployment goes one state on with each event that it streams.
class Story {
  public:
    explicit Story(std::vector<std::string> states) : states_(std::move(states)) {}

    // After how many events one connection of the stream breaks; 0: never.
    std::size_t break_after = 0;

    void operator()(const Seen& seen, Answer& answer) {
        if (seen.method == "POST")
            return answer.json(202, R"({"deployment": "d12", "note": null})");
        if (seen.target == "/api/v1/deployments/d12")
            return answer.json(200, record(states_[at_]).dump());
        if (seen.target != "/api/v1/events?deployment=d12") return answer.problem(404, seen.target);
        answer.begin("text/event-stream");
        answer.chunk("retry: 1000\n\n: \n");
        std::size_t sent = 0;
        while (at_ + 1 < states_.size()) {
            ++at_;
            answer.chunk("id: " + std::to_string(100 + at_) + "\nevent: deployment\ndata: {}\n\n");
            if (++sent == break_after) return;
        }
        answer.wait_gone();
    }

  private:
    std::vector<std::string> states_;
    std::atomic<std::size_t> at_{0};
};

TEST(Wait, FollowsADeploymentToItsHealthyEnd) {
    CommandRun belay;
    Story story({"queued", "fetching", "building", "healthy"});
    FakeDaemon daemon(belay.socket(), std::ref(story));
    auto outcome = belay({"deploy", "shop", "--wait"});
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("build      passed in 2.0s\n"));
    EXPECT_THAT(outcome.out, HasSubstr("d12 is healthy: shop release 7 is live\n"));
}

TEST(Wait, SaysWhyADeploymentFailed) {
    CommandRun belay;
    Story story({"queued", "building", "failed"});
    FakeDaemon daemon(belay.socket(), std::ref(story));
    auto outcome = belay({"restart", "shop", "--wait"});
    EXPECT_EQ(outcome.code, kFailed);
    EXPECT_THAT(outcome.out, HasSubstr("d12 ended failed\nbuild_failed in building, exit 2 (to be "
                                       "mended by: user)\nit ended with 2\n  | no such module\n"));
}

TEST(Wait, ForACancelIsDoneAtAnyEnd) {
    CommandRun belay;
    Story story({"building", "canceled"});
    FakeDaemon daemon(belay.socket(), std::ref(story));
    EXPECT_EQ(belay({"cancel", "d12", "--wait"}).code, kDone);
}

TEST(Wait, WithJsonPrintsTheLastRecordAlone) {
    CommandRun belay;
    Story story({"queued", "failed"});
    FakeDaemon daemon(belay.socket(), std::ref(story));
    auto outcome = belay({"deploy", "shop", "--wait", "--json"});
    EXPECT_EQ(outcome.code, kFailed);
    EXPECT_EQ(json::parse(outcome.out), record("failed"));
}

TEST(Wait, GoesOnWhereABrokenStreamLeftOff) {
    CommandRun belay;
    Story story({"queued", "fetching", "building", "healthy"});
    story.break_after = 1;
    FakeDaemon daemon(belay.socket(), std::ref(story));
    auto outcome = belay({"deploy", "shop", "--wait"});
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    std::vector<std::string> resumed;
    for (const auto& seen : daemon.seen())
        if (seen.target.starts_with("/api/v1/events") && seen.headers.count("last-event-id"))
            resumed.push_back(seen.headers.at("last-event-id"));
    EXPECT_THAT(resumed, testing::Contains("101"));
}

TEST(Wait, RidesOutARestartOfTheDaemon) {
    CommandRun belay;
    Story before({"queued", "building"});
    Story after({"building", "healthy"});
    auto daemon = std::make_unique<FakeDaemon>(belay.socket(), std::ref(before));
    std::unique_ptr<FakeDaemon> next;
    std::thread restart([&] {
        daemon->wait_seen(4);  // the request, the stream, the record twice
        daemon.reset();
        next = std::make_unique<FakeDaemon>(belay.socket(), std::ref(after));
    });
    auto outcome = belay({"deploy", "shop", "--wait"});
    restart.join();
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    EXPECT_THAT(
        outcome.out,
        HasSubstr("The daemon is gone; waiting for it to come back.\nThe daemon is back.\n"));
    EXPECT_THAT(outcome.out, HasSubstr("d12 is healthy"));
}

TEST(Wait, ForWhatDoesNotExistEndsAtOnce) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(), [](const Seen& seen, Answer& answer) {
        if (seen.method == "POST") return answer.json(202, R"({"deployment": "d99"})");
        answer.problem(404, "there is no deployment d99");
    });
    auto outcome = belay({"deploy", "shop", "--wait"});
    EXPECT_EQ(outcome.code, kNoSuchThing);
    EXPECT_EQ(outcome.err, "belay: there is no deployment d99\n");
}

TEST(Wait, IsEndedByCtrlCAndTheDeploymentGoesOn) {
    CommandRun belay;
    Story story({"building"});
    FakeDaemon daemon(belay.socket(), std::ref(story));
    auto errors = belay.folder.path("err");
    auto socket = belay.socket();
    pid_t child = ::fork();
    if (child == 0) {
        std::freopen("/dev/null", "w", stdout);
        std::freopen(errors.c_str(), "w", stderr);
        ::execl(BELAY_CLI_ALONE, "belay", "deploy", "shop", "--wait", "--socket", socket.c_str(),
                nullptr);
        ::_exit(99);
    }
    ASSERT_GT(child, 0);
    daemon.wait_seen(3);  // it listens
    ::kill(child, SIGINT);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 130);
    for (const auto& seen : daemon.seen())
        EXPECT_EQ(seen.target.find("cancel"), std::string::npos);
}

}  // namespace
}  // namespace belay::cli
