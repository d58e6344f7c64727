// Probes of type exec: a real command under the real shim.
#include "support/eventually.hpp"
#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/health/prober.hpp>
#include <belay/sys/identity.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace belay::health {
namespace {

using Clock = std::chrono::steady_clock;

class ExecProbe : public ::testing::Test {
  protected:
    test::TempDirectory directory;
    boost::asio::io_context loop{1};
    std::unique_ptr<async::Timers> timers = async::make_timers(loop.get_executor());
    std::unique_ptr<ports::Prober> prober =
        make_prober(loop.get_executor(), *timers, BELAY_SHIM_PATH);
    ports::ProbeTarget target;
    async::Cancel cancel;
    Clock::duration took{};

    ExecProbe() {
        std::filesystem::permissions(directory.path(), std::filesystem::perms(0777));
        target.health.type = "exec";
        target.health.timeout = Millis{20'000};
        target.program.emplace();
        target.program->cwd = directory.path();
        target.program->env = {{"PATH", "/usr/bin:/bin"}};
    }

    domain::Probe probe(std::string shell) {
        target.health.run.shell = std::move(shell);
        auto from = Clock::now();
        auto result = test::run_task(loop, prober->probe(target, cancel));
        took = Clock::now() - from;
        return result;
    }
    pid_t pid_in(const std::string& file) {
        pid_t pid = 0;
        std::ifstream(directory / file) >> pid;
        return pid;
    }
};

TEST_F(ExecProbe, PassesWhereTheCommandEndsWithZeroAndRecordsTheEndOfItsOutput) {
    auto result = probe("seq 1 2000; echo fine; echo loud >&2");
    EXPECT_TRUE(result.passed()) << result.error;
    EXPECT_EQ(result.target, "exec: seq 1 2000; echo fine; echo loud >&2");
    EXPECT_EQ(result.family, "");
    EXPECT_LE(result.body.size(), 1'000u);
    EXPECT_TRUE(result.body.ends_with("1999 2000 fine loud")) << result.body;
}

TEST_F(ExecProbe, FailsWithTheCodeOrTheSignal) {
    EXPECT_EQ(probe("echo no database; exit 3").error, "exited with code 3");
    EXPECT_EQ(probe("kill -9 $$").error, "killed by KILL");
}

TEST_F(ExecProbe, RunsInTheReleaseWithItsEnvironmentAndNoOther) {
    ::setenv("LEAKED", "from the daemon", 1);
    target.program->env.emplace_back("DATABASE", "here");
    auto result =
        probe("pwd; echo $DATABASE; echo [${LEAKED-}]; read line || echo nothing to read");
    EXPECT_EQ(result.body,
              std::filesystem::canonical(directory.path()).string() + " here [] nothing to read");
}

TEST_F(ExecProbe, RunsAsTheAppsUserWithoutItsPrivileges) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
    target.program->user = User{52'001, 52'001, {}};
    EXPECT_EQ(probe("id -u; id -g; grep NoNewPrivs /proc/self/status").body,
              "52001 52001 NoNewPrivs: 1");
}

TEST_F(ExecProbe, KeepsSecretsOutOfTheRecord) {
    target.program->env.emplace_back("TOKEN", "hunter2-hunter2");
    target.program->mask.emplace_back("hunter2-hunter2");
    auto result = probe("echo token is $TOKEN; exit 1");
    EXPECT_EQ(result.body, "token is ***");
}

TEST_F(ExecProbe, IsAFailureAtItsTimeoutAndLeavesNothingBehind) {
    target.health.timeout = Millis{500};
    auto result = probe(
        "trap '' TERM; setsid sh -c 'echo $$ > grandchild; exec sleep 60' & echo started; sleep "
        "60");
    EXPECT_EQ(result.error, "ran longer than 500ms");
    EXPECT_EQ(result.body, "started");
    EXPECT_LT(took, std::chrono::seconds(5));
    auto pid = pid_in("grandchild");
    ASSERT_GT(pid, 0);
    EXPECT_FALSE(sys::start_time(pid)) << "the session of its own does not save it";
}

TEST_F(ExecProbe, EndsWhatTheCommandLeavesRunning) {
    auto result = probe("sleep 60 & echo $! > left");
    EXPECT_TRUE(result.passed()) << result.error;
    EXPECT_LT(took, std::chrono::seconds(10));
    EXPECT_FALSE(sys::start_time(pid_in("left")));
}

TEST_F(ExecProbe, IsNotHeldUpByEndlessOutput) {
    target.health.timeout = Millis{500};
    auto result = probe("yes");
    EXPECT_EQ(result.error, "ran longer than 500ms");
    EXPECT_LE(result.body.size(), 1'000u);
    EXPECT_LT(took, std::chrono::seconds(5));
}

TEST_F(ExecProbe, SaysThatThereIsNoSuchCommand) {
    target.health.run.argv = {"bin/check"};
    auto result = probe("");
    EXPECT_NE(result.error.find("bin/check"), std::string::npos) << result.error;
    EXPECT_EQ(result.target, "exec: bin/check");
}

TEST_F(ExecProbe, EndsWhenItIsCanceled) {
    auto later = timers->after(Millis{300}, [this] { cancel.request(); });
    auto result = probe("sleep 60");
    EXPECT_EQ(result.error, "canceled");
    EXPECT_LT(took, std::chrono::seconds(5));
}

}  // namespace
}  // namespace belay::health
