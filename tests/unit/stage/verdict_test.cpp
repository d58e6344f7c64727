#include <gtest/gtest.h>

#include <csignal>
#include <stage/verdict.hpp>

namespace belay::stage {
namespace {

using Verdict = ports::StageVerdict;

ports::StageOutcome judged(Exit exit, StopCause cause, Evidence evidence = {}) {
    ports::StageJob job;
    job.run.shell = "x";
    job.timeout = Millis{1'800'000};
    job.silence = Millis{600'000};
    ports::StageOutcome outcome;
    job.limits.processes = 40;
    judge(exit, cause, evidence, job, outcome);
    return outcome;
}

Exit code(int number) {
    Exit exit;
    exit.code = number;
    return exit;
}

Exit killed(int number) {
    Exit exit;
    exit.signal = number;
    return exit;
}

TEST(StageVerdict, TellsCodesAndSignals) {
    EXPECT_EQ(judged(code(0), StopCause::none).verdict, Verdict::passed);
    auto failed = judged(code(2), StopCause::none);
    EXPECT_EQ(failed.verdict, Verdict::failed);
    EXPECT_EQ(failed.detail, "exit code 2");
    EXPECT_EQ(failed.exit_code, 2);
    EXPECT_FALSE(failed.signal);
    auto crashed = judged(killed(SIGSEGV), StopCause::none);
    EXPECT_EQ(crashed.verdict, Verdict::failed);
    EXPECT_EQ(crashed.signal, SIGSEGV);
    EXPECT_FALSE(crashed.exit_code);
    EXPECT_NE(crashed.detail.find("SEGV"), std::string::npos) << crashed.detail;
}

TEST(StageVerdict, ClaimsNoOomWithoutEvidence) {
    const Evidence machine{{}, 1};
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::none).verdict, Verdict::failed);
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::none, machine).verdict, Verdict::oom);
    EXPECT_EQ(judged(code(137), StopCause::none, machine).verdict, Verdict::oom);
    EXPECT_EQ(judged(code(1), StopCause::none, machine).verdict, Verdict::failed);
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::timeout, machine).verdict, Verdict::timeout);
}

TEST(StageVerdict, BelievesTheGroupsOwnCountAndNotTheMachines) {
    Evidence others{{}, 1};
    others.group.counts_oom = true;
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::none, others).verdict, Verdict::failed);
    Evidence own{{}, 0};
    own.group.counts_oom = true;
    own.group.oom_kills = 1;
    own.group.memory_limit = 64 << 20;
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::none, own).verdict, Verdict::oom);
    EXPECT_EQ(judged(code(0), StopCause::none, own).verdict, Verdict::passed);
    // make says 2 where its compiler was killed.
    auto made = judged(code(2), StopCause::none, own);
    EXPECT_EQ(made.verdict, Verdict::oom);
    EXPECT_EQ(made.detail,
              "out of memory: the kernel killed it (exit code 2; limits.memory is 64MiB)");
}

TEST(StageVerdict, SaysThatTheLimitOfProcessesWasReached) {
    Evidence evidence;
    evidence.group.refused_forks = 3;
    auto failed = judged(code(2), StopCause::none, evidence);
    EXPECT_EQ(failed.verdict, Verdict::failed);
    EXPECT_EQ(failed.detail,
              "exit code 2; it was refused more processes than limits.processes = 40");
    EXPECT_EQ(judged(code(0), StopCause::none, evidence).detail, "exit code 0");
}

TEST(StageVerdict, CountsWhatTheWholeGroupUsed) {
    auto exit = code(0);
    exit.peak_memory = 5;
    exit.cpu = Millis{70};
    Evidence evidence;
    EXPECT_EQ(judged(exit, StopCause::none, evidence).peak_memory, 5);
    evidence.group.peak_memory = 9;
    evidence.group.cpu = Millis{80};
    EXPECT_EQ(judged(exit, StopCause::none, evidence).peak_memory, 9);
    EXPECT_EQ(judged(exit, StopCause::none, evidence).cpu_ms, 80);
}

TEST(StageVerdict, OurOwnStopOutranksHowItEnded) {
    EXPECT_EQ(judged(code(0), StopCause::timeout).verdict, Verdict::timeout);
    EXPECT_EQ(judged(code(0), StopCause::timeout).detail, "ran longer than 30m: stopped");
    EXPECT_EQ(judged(killed(SIGTERM), StopCause::silent).detail, "no output for 10m: stopped");
    EXPECT_EQ(judged(killed(SIGTERM), StopCause::canceled).verdict, Verdict::canceled);
}

TEST(StageVerdict, NamesAMissingCommandAndThePlacesLookedIn) {
    ports::StageJob job;
    job.env = {{"PATH", "/nowhere:/bin"}};
    job.cwd = "/";
    EXPECT_EQ(missing_command({"npn"}, job), "no such command: npn (looked in /nowhere:/bin)");
    EXPECT_EQ(missing_command({"./x.sh"}, job), "no such command: ./x.sh (looked for //./x.sh)");
    EXPECT_FALSE(missing_command({"sh"}, job));
    EXPECT_TRUE(missing_command({}, job));
}

}  // namespace
}  // namespace belay::stage
