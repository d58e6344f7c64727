#include <gtest/gtest.h>

#include <csignal>
#include <stage/verdict.hpp>

namespace belay::stage {
namespace {

using Verdict = ports::StageVerdict;

ports::StageOutcome judged(Exit exit, StopCause cause, std::uint64_t kills = 0) {
    ports::StageJob job;
    job.run.shell = "x";
    job.timeout = Millis{1'800'000};
    job.silence = Millis{600'000};
    ports::StageOutcome outcome;
    judge(exit, cause, kills, job, outcome);
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
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::none, 0).verdict, Verdict::failed);
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::none, 1).verdict, Verdict::oom);
    EXPECT_EQ(judged(code(137), StopCause::none, 1).verdict, Verdict::oom);
    EXPECT_EQ(judged(code(1), StopCause::none, 1).verdict, Verdict::failed);
    EXPECT_EQ(judged(killed(SIGKILL), StopCause::timeout, 1).verdict, Verdict::timeout);
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
