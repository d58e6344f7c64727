#include "support/control_groups.hpp"
#include "support/eventually.hpp"
#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/base/process.hpp>
#include <belay/stage/child_stages.hpp>
#include <belay/sys/identity.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::stage {
namespace {

namespace fs = std::filesystem;
using Verdict = ports::StageVerdict;
using Clock = std::chrono::steady_clock;

bool is_running(pid_t pid) {
    return sys::start_time(pid).has_value();
}

using test::eventually;

class Stages : public ::testing::Test {
  protected:
    Stages() {
        fs::permissions(directory.path(), fs::perms(0755));
        fs::create_directory(work);
        fs::permissions(work, fs::perms(0777));
    }

    test::TempDirectory directory;
    test::ControlGroups groups;  // as far as the machine has them
    fs::path work = directory.path() / "work";
    boost::asio::io_context loop{1};
    std::unique_ptr<async::Timers> timers = async::make_timers(loop.get_executor());
    ChildStagesOptions options{
        STAGE_WORKER_PATH, BELAY_SHIM_PATH, directory / "locks", 52'000, 59'999, *groups};
    std::unique_ptr<ports::Stages> stages =
        make_child_stages(loop.get_executor(), *timers, options);
    async::Cancel cancel;

    ports::StageJob job(std::string shell) {
        ports::StageJob made;
        made.app = "shop";
        made.name = "build";
        made.run.shell = std::move(shell);
        made.cwd = work;
        made.env = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
        made.log_path = directory / "build.log";
        made.timeout = Millis{20'000};
        made.silence = Millis{20'000};
        made.grace = Millis{300};
        return made;
    }

    ports::StageOutcome run(ports::StageJob what) {
        auto from = Clock::now();
        auto outcome = test::run_task(loop, stages->run(std::move(what), cancel));
        took = Clock::now() - from;
        EXPECT_TRUE(outcome) << outcome.error().message;
        return outcome ? *outcome : ports::StageOutcome{};
    }
    ports::StageOutcome run(std::string shell) { return run(job(std::move(shell))); }

    std::string log() const {
        std::ifstream stream(directory / "build.log", std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    // A number that the command wrote into its directory.
    pid_t number_in(const std::string& name) const {
        pid_t number = 0;
        std::ifstream(work / name) >> number;
        return number;
    }

    Clock::duration took{};
};

TEST_F(Stages, RecordsWhatPassed) {
    auto outcome = run("echo out; echo err >&2; pwd");
    EXPECT_EQ(outcome.verdict, Verdict::passed) << outcome.detail;
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(log(), "out\nerr\n" + work.string() + "\n");
    EXPECT_EQ(outcome.tail, log());
    EXPECT_EQ(outcome.log_bytes, static_cast<std::int64_t>(log().size()));
    EXPECT_GT(outcome.peak_memory, 100'000);
    struct stat status{};
    ASSERT_EQ(::stat((directory / "build.log").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(Stages, TellsExitCodesAndSignals) {
    auto failed = run("echo before; exit 10");
    EXPECT_EQ(failed.verdict, Verdict::failed);
    EXPECT_EQ(failed.exit_code, 10);
    EXPECT_EQ(failed.detail, "exit code 10");
    auto stopped_early = run("false; echo never");
    EXPECT_EQ(stopped_early.exit_code, 1);
    auto crashed = run("kill -SEGV $$");
    EXPECT_EQ(crashed.signal, SIGSEGV);
    auto killed = run("kill -KILL $$");
    EXPECT_EQ(killed.verdict, Verdict::failed) << "no evidence of OOM";
    EXPECT_EQ(killed.signal, SIGKILL);
}

TEST_F(Stages, ExecutesAnArrayAsItIs) {
    auto what = job("");
    what.run.argv = {"printf", "%s|", "a b", "$HOME", "*"};
    EXPECT_EQ(run(what).verdict, Verdict::passed);
    EXPECT_EQ(log(), "a b|$HOME|*|");
}

TEST_F(Stages, NamesACommandThatDoesNotExist) {
    auto what = job("");
    what.run.argv = {"npn", "ci"};
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::failed);
    EXPECT_EQ(outcome.exit_code, 127);
    EXPECT_EQ(outcome.detail, "no such command: npn (looked in /usr/local/bin:/usr/bin:/bin)");
    EXPECT_NE(log().find(outcome.detail), std::string::npos);
    what.run.argv = {"./missing.sh"};
    EXPECT_EQ(run(what).exit_code, 127);
    std::ofstream(work / "plain.sh") << "echo\n";
    what.run.argv = {"./plain.sh"};
    EXPECT_EQ(run(what).exit_code, 126);
    auto shell = run("npn ci");
    EXPECT_EQ(shell.exit_code, 127);
    EXPECT_NE(shell.detail.find("no such command"), std::string::npos);
}

TEST_F(Stages, AMissingDirectoryIsTheMachinesFault) {
    auto what = job("true");
    what.cwd = work / "gone";
    auto outcome = test::run_task(loop, stages->run(what, cancel));
    EXPECT_FALSE(outcome);
    what = job("true");
    what.log_path = directory / "gone/build.log";
    outcome = test::run_task(loop, stages->run(what, cancel));
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().message.find("gone/build.log"), std::string::npos);
}

TEST_F(Stages, GivesTheEnvironmentAndNothingElse) {
    ::setenv("BELAY_TEST_LEAK", "leak", 1);
    auto what = job("");
    what.run.argv = {"/usr/bin/env"};
    what.env = {{"A", "x=\xff"}, {"B", ""}};
    run(what);
    EXPECT_EQ(log(), "A=x=\xff\nB=\n");
}

TEST_F(Stages, GivesNoDescriptorButTheStandardOnes) {
    run("ls /proc/self/fd | sort -n | tail -1; readlink /proc/self/fd/0");
    EXPECT_EQ(log(), "3\n/dev/null\n");  // 3 is the directory that ls reads
}

TEST_F(Stages, RunsInASessionOfItsOwnWithoutNewPrivileges) {
    run("grep -E '^(NoNewPrivs)' /proc/self/status; ulimit -c; echo $PPID > ppid; cut -d' ' -f6 "
        "/proc/$$/stat > session");
    EXPECT_EQ(log(), "NoNewPrivs:\t1\n0\n");
    EXPECT_NE(number_in("session"), ::getsid(0));
}

TEST_F(Stages, RunsAsTheUserThatIsAskedFor) {
    if (::geteuid() != 0) {
        run("id -u");
        EXPECT_EQ(log(), std::to_string(::geteuid()) + "\n");
        return;
    }
    auto what = job("id -u; id -g; id -G");
    what.uid = 52001;
    what.gid = 52002;
    what.groups = {52003};
    EXPECT_EQ(run(what).verdict, Verdict::passed) << log();
    EXPECT_EQ(log(), "52001\n52002\n52002 52003\n");
}

TEST_F(Stages, BoundsProcessesByTheAppsOwnUserWhereThereAreNoGroups) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    options.groups = {};
    stages = make_child_stages(loop.get_executor(), *timers, options);
    auto what = job("ulimit -p");
    what.limits.processes = 37;
    what.uid = what.gid = 52001;
    run(what);
    EXPECT_EQ(log(), "37\n");
    // It would count what else this user does.
    what.uid = what.gid = 1;
    run(what);
    EXPECT_NE(log(), "37\n37\n");
}

TEST_F(Stages, AppendsToTheLog) {
    run("echo one");
    auto outcome = run("echo two");
    EXPECT_EQ(log(), "one\ntwo\n");
    EXPECT_EQ(outcome.tail, "two\n");
    EXPECT_EQ(outcome.log_bytes, 4);
}

TEST_F(Stages, KeepsOutputByteForByte) {
    run("printf 'a\\0b\\033[31mred\\033[0m\\377'");
    EXPECT_EQ(log(), std::string("a\0b\033[31mred\033[0m\377", 16));
}

TEST_F(Stages, KeepsTheLastLinesOfAFailure) {
    auto outcome = run("seq 1 1000; exit 3");
    EXPECT_TRUE(outcome.tail.starts_with("951\n")) << outcome.tail;
    EXPECT_TRUE(outcome.tail.ends_with("\n1000\n"));
}

TEST_F(Stages, NoSecretReachesTheLog) {
    const std::string secret = "s3cr3t-0123456789-t0ken";
    auto what = job("");
    what.env.emplace_back("TOKEN", secret);
    what.mask = {Secret(secret)};
    // In one piece, byte by byte, across large reads' ends, and as base64.
    what.run.shell =
        "echo x${TOKEN}x; i=0; while [ $i -lt 23 ]; do printf %s \"$TOKEN\" | cut -c$((i+1)) | tr "
        "-d '\\n'; i=$((i+1)); done; "
        "echo; head -c 262140 /dev/zero | tr '\\0' z; printf '%s\\n' \"$TOKEN\"; printf %s "
        "\"$TOKEN\" | base64";
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::passed) << outcome.detail;
    EXPECT_EQ(log().find(secret), std::string::npos);
    EXPECT_EQ(log().find("czNjcjN0LTAxMjM0"), std::string::npos);
    EXPECT_EQ(outcome.tail.find(secret), std::string::npos);
    EXPECT_NE(log().find("x***x"), std::string::npos);
}

TEST_F(Stages, NoSecretReachesTheTailOfACappedLog) {
    const std::string secret = "s3cr3t-0123456789-t0ken";
    auto what = job("i=0; while [ $i -lt 3000 ]; do echo \"line $i $TOKEN\"; i=$((i+1)); done");
    what.env.emplace_back("TOKEN", secret);
    what.mask = {Secret(secret)};
    what.log_cap = 5'000;
    auto outcome = run(what);
    EXPECT_EQ(log().find("s3cr3t"), std::string::npos);
    EXPECT_NE(log().find("line 2999 ***"), std::string::npos);
    EXPECT_NE(outcome.tail.find("line 2999 ***"), std::string::npos);
}

TEST_F(Stages, KeepsHeadAndTailOfALongLog) {
    auto what = job("seq 1 200000");
    what.log_cap = 10'000;
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::passed);
    auto text = log();
    EXPECT_LT(text.size(), 10'100u);
    EXPECT_GT(text.size(), 9'900u);
    EXPECT_TRUE(text.starts_with("1\n2\n"));
    EXPECT_TRUE(text.ends_with("\n200000\n"));
    auto total = 9 + 90 * 2 + 900 * 3 + 9'000 * 4 + 90'000 * 5 + 100'001 * 6 + 200'000;
    EXPECT_NE(text.find("\n... " + std::to_string(total - 10'000) + " bytes left out ...\n"),
              std::string::npos);
    EXPECT_EQ(outcome.log_bytes, static_cast<std::int64_t>(text.size()));
}

TEST_F(Stages, LeavesOutNothingAtTheCap) {
    auto what = job("printf 0123456789");
    what.log_cap = 10;
    run(what);
    EXPECT_EQ(log(), "0123456789");
}

TEST_F(Stages, CopiesALargeOutputCheaply) {
    rusage before{}, after{};
    ::getrusage(RUSAGE_CHILDREN, &before);
    auto outcome = run("head -c 200000000 /dev/zero");
    ::getrusage(RUSAGE_CHILDREN, &after);
    EXPECT_EQ(outcome.verdict, Verdict::passed);
    auto seconds = [](const rusage& usage) {
        return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    };
    std::cout << "200 MB: " << std::chrono::duration_cast<Millis>(took).count()
              << " ms; CPU of all " << static_cast<int>((seconds(after) - seconds(before)) * 1000)
              << " ms, of the command " << outcome.cpu_ms << " ms\n";
    EXPECT_EQ(fs::file_size(directory / "build.log"),
              (20u << 20) + std::string("\n... 179028480 bytes left out ...\n").size());
}

TEST_F(Stages, StopsOutputThatNeverEndsAtItsTimeout) {
    auto what = job("yes");
    what.timeout = Millis{400};
    what.log_cap = 100'000;
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::timeout);
    EXPECT_EQ(outcome.detail, "ran longer than 400ms: stopped");
    EXPECT_LT(fs::file_size(directory / "build.log"), 100'100u);
    EXPECT_LT(took, Seconds{10});
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    std::cout << "largest child: " << usage.ru_maxrss / 1024 << " MiB\n";
}

TEST_F(Stages, StopsASilentCommand) {
    auto what = job("echo started; sleep 60");
    what.silence = Millis{300};
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::silent);
    EXPECT_EQ(outcome.detail, "no output for 300ms: stopped");
    EXPECT_EQ(outcome.tail, "started\n");
    EXPECT_LT(took, Seconds{10});
}

TEST_F(Stages, OutputPutsSilenceOff) {
    auto what = job("for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done");
    what.silence = Millis{900};
    EXPECT_EQ(run(what).verdict, Verdict::passed);
}

TEST_F(Stages, KillsWhatIgnoresTerm) {
    auto what = job("trap '' TERM; echo $$ > pid; while true; do sleep 0.1; done");
    what.timeout = Millis{300};
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::timeout);
    EXPECT_EQ(outcome.signal, SIGKILL);
    ASSERT_GT(number_in("pid"), 0);
    EXPECT_FALSE(is_running(number_in("pid")));
}

TEST_F(Stages, LetsACommandEndByItselfWithinTheGrace) {
    auto what = job("trap 'echo cleaned; exit 0' TERM; while true; do sleep 0.05; done");
    what.timeout = Millis{300};
    what.grace = Millis{10'000};
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::timeout);
    EXPECT_TRUE(log().ends_with("cleaned\n")) << log();
    EXPECT_LT(took, Seconds{8});
}

TEST_F(Stages, LeavesNothingBehindNotEvenDoubleSetsid) {
    auto outcome =
        run("setsid setsid sh -c 'echo $$ > escaped; exec sleep 60' >/dev/null 2>&1 & "
            "sleep 60 & echo $! > background; while [ ! -s escaped ]; do sleep 0.02; done");
    EXPECT_EQ(outcome.verdict, Verdict::passed) << log();
    for (const char* name : {"escaped", "background"}) {
        ASSERT_GT(number_in(name), 0) << name;
        EXPECT_FALSE(is_running(number_in(name))) << name;
    }
}

TEST_F(Stages, CancelKillsTheTreeAndTellsSo) {
    auto what = job("setsid sh -c 'echo $$ > escaped; exec sleep 60' & echo ready; sleep 60");
    async::Subscription request;
    std::function<void()> poll = [&] {
        if (log().find("ready") != std::string::npos && number_in("escaped") > 0)
            cancel.request();
        else
            request = timers->after(Millis{10}, poll);
    };
    request = timers->after(Millis{10}, poll);
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::canceled);
    EXPECT_EQ(outcome.detail, "stopped by request");
    EXPECT_FALSE(is_running(number_in("escaped")));
    EXPECT_LT(took, Seconds{15});
}

TEST_F(Stages, CancelBeforeTheStartRunsNothing) {
    cancel.request();
    EXPECT_EQ(run("touch ran").verdict, Verdict::canceled);
    EXPECT_FALSE(fs::exists(work / "ran"));
}

TEST_F(Stages, AJobLargerThanAPipeArrives) {
    auto what = job("echo ${#BIG}");
    what.env.emplace_back("BIG", std::string(100'000, 'x'));
    for (int i = 0; i < 5; ++i)
        what.env.emplace_back("PAD" + std::to_string(i), std::string(60'000, 'y'));
    EXPECT_EQ(run(what).verdict, Verdict::passed);
    EXPECT_EQ(log(), "100000\n");
}

TEST_F(Stages, AFullDiskEndsTheStage) {
    if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
    auto what = job("echo lost; sleep 60");
    what.log_path = "/dev/full";
    auto from = Clock::now();
    auto outcome = test::run_task(loop, stages->run(what, cancel));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::disk_full);
    EXPECT_LT(Clock::now() - from, Seconds{15});
}

TEST_F(Stages, LeftoversOfAKilledDaemonDieAndAreWaitedFor) {
    auto daemon = ::fork();
    if (daemon == 0) {
        // Another daemon: its own loop, and killed while its stage runs.
        boost::asio::io_context own{1};
        auto own_timers = async::make_timers(own.get_executor());
        auto own_stages = make_child_stages(own.get_executor(), *own_timers, options);
        auto what =
            job("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > escaped; while :; do sleep "
                "1; done' & "
                "echo $$ > main; while :; do sleep 1; done");
        what.timeout = what.silence = Millis{600'000};  // no end of its own
        test::run_task(own, own_stages->run(what, async::Cancel()));
        ::_exit(0);
    }
    ASSERT_TRUE(eventually([&] { return number_in("escaped") > 0 && number_in("main") > 0; }));
    ASSERT_TRUE(is_running(number_in("main")));
    ::kill(daemon, SIGKILL);
    ::waitpid(daemon, nullptr, 0);
    auto waited = test::run_task(loop, stages->wait_for_leftovers("shop"));
    ASSERT_TRUE(waited) << waited.error().message;
    EXPECT_FALSE(is_running(number_in("main")));
    EXPECT_FALSE(is_running(number_in("escaped")));
    EXPECT_TRUE(test::run_task(loop, stages->wait_for_leftovers("other")));
}

TEST_F(Stages, WaitsAsLongAsALeftoverLives) {
    auto what = job("echo $$ > main; sleep 0.7");
    auto daemon = ::fork();
    if (daemon == 0) {
        boost::asio::io_context own{1};
        auto own_timers = async::make_timers(own.get_executor());
        auto own_stages = make_child_stages(own.get_executor(), *own_timers, options);
        test::run_task(own, own_stages->run(what, async::Cancel()));
        ::_exit(0);
    }
    ASSERT_TRUE(eventually([&] { return number_in("main") > 0; }));
    ASSERT_TRUE(test::run_task(loop, stages->wait_for_leftovers("shop")));
    EXPECT_FALSE(is_running(number_in("main")));
    ::waitpid(daemon, nullptr, 0);
}

TEST_F(Stages, KillsAllOfAUid) {
    EXPECT_TRUE(test::run_task(loop, stages->kill_all(-1)));
    EXPECT_TRUE(test::run_task(loop, stages->kill_all(0)));
    EXPECT_TRUE(test::run_task(loop, stages->kill_all(static_cast<int>(::geteuid()))));
    if (::geteuid() != 0) {
        EXPECT_TRUE(test::run_task(loop, stages->kill_all(52001)));  // nothing of it can be ours
        return;
    }
    auto stray = ::fork();
    if (stray == 0) {
        ::setsid();
        if (::setgid(52901) != 0 || ::setuid(52901) != 0) ::_exit(1);
        ::execl("/bin/sleep", "sleep", "60", nullptr);
        ::_exit(1);
    }
    ASSERT_TRUE(eventually([&] {
        struct stat status{};
        return ::stat(("/proc/" + std::to_string(stray)).c_str(), &status) == 0 &&
               status.st_uid == 52901;
    }));
    ASSERT_TRUE(test::run_task(loop, stages->kill_all(52901)));
    int status = 0;
    ASSERT_EQ(::waitpid(stray, &status, 0), stray);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// Wants 256 MiB and no more, should nothing stop it.
constexpr const char* kHog = "head -c 268435456 /dev/zero | tail -n 1 > /dev/null";

TEST_F(Stages, ACommandOverItsMemoryIsOutOfMemoryAndNobodyElse) {
    NEEDS_LIMIT(groups, memory);
    auto what = job(std::string(kHog) + " || exit 2");  // as make would
    what.limits.memory = 48 << 20;
    auto outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::oom) << outcome.detail;
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.detail,
              "out of memory: the kernel killed it (exit code 2; limits.memory is 48MiB)");
    EXPECT_GT(outcome.peak_memory, 40 << 20);
    EXPECT_LE(outcome.peak_memory, 49 << 20);
    what.limits.memory = 512 << 20;
    outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::passed) << outcome.detail;
    EXPECT_GT(outcome.peak_memory, 200 << 20);
    // What the kernel killed elsewhere meanwhile is none of it.
    auto apart = groups->make("run-other", {.memory = 48 << 20, .cpu = {}, .processes = {}});
    ASSERT_TRUE(apart);
    std::string join;
    for (const auto& place : apart->directories())
        join += "echo 0 > " + place + "/cgroup.procs; ";
    EXPECT_EQ(run("(" + join + kHog + ") & wait $!; kill -KILL $$").verdict, Verdict::failed);
    EXPECT_GE(apart->usage().oom_kills, 1u);
    EXPECT_TRUE(groups->existing("stage-").empty());
}

TEST_F(Stages, AForkBombIsHeldAtItsLimitAndEnded) {
    NEEDS_LIMIT(groups, processes);
    // Doubles itself to as many as a machine bears, where nothing stops it.
    auto what =
        job("bomb() { [ $1 = 8 ] || { bomb $(($1 + 1)) & bomb $(($1 + 1)) & }; exec sleep 60; }; "
            "bomb 0");
    what.limits.processes = 30;
    what.timeout = Millis{1'500};
    auto outcome = run(what);
    EXPECT_TRUE(outcome.verdict == Verdict::timeout || outcome.verdict == Verdict::failed);
    EXPECT_TRUE(groups->existing("stage-").empty()) << "nothing lives in it";
    what = job("n=0; while [ $n -lt 100 ]; do sleep 100 & n=$((n + 1)); done");
    what.limits.processes = 30;
    outcome = run(what);
    EXPECT_EQ(outcome.verdict, Verdict::failed);
    EXPECT_NE(outcome.detail.find("more processes than limits.processes = 30"), std::string::npos)
        << outcome.detail;
}

TEST_F(Stages, ACommandOverItsCpuWaitsForItsTurn) {
    NEEDS_LIMIT(groups, cpu);
    auto what = job("n=0; while [ $n -lt 3000000 ]; do n=$((n + 1)); done");
    what.limits.cpu = 0.05;
    async::Cancel enough;
    async::Subscription next;
    std::function<void()> look = [&] {
        for (const auto& [name, group] : groups->existing("stage-"))
            if (group.usage().throttled > 2) enough.request();
        next = timers->after(Millis{20}, look);
    };
    look();
    auto outcome = test::run_task(loop, stages->run(what, enough));
    next.end();
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->verdict, Verdict::canceled) << "it never had to wait: " << outcome->detail;
}

TEST_F(Stages, WhatAnEarlierDaemonLeftInAGroupIsEnded) {
    if (!groups->support().groups) GTEST_SKIP() << groups->support().why;
    auto left = groups->make("stage-shop.build.1-1", {});
    auto others = groups->make("stage-shopping.build.1-1", {});
    ASSERT_TRUE(left && others);
    auto stray = ::fork();
    if (stray == 0) {
        for (const auto& place : left->directories())
            std::ofstream(place + "/cgroup.procs") << "0";
        ::execl("/bin/sleep", "sleep", "60", nullptr);
        ::_exit(1);
    }
    ASSERT_TRUE(eventually([&] { return left->has_processes(); }));
    auto waited = test::run_task(loop, stages->wait_for_leftovers("shop"));
    ASSERT_TRUE(waited) << waited.error().message;
    int status = 0;
    ASSERT_EQ(::waitpid(stray, &status, 0), stray);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ASSERT_EQ(groups->existing("stage-").size(), 1u);
    EXPECT_EQ(groups->existing("stage-")[0].first, "stage-shopping.build.1-1");
}

TEST_F(Stages, AWorkerThatDiesIsAnError) {
    auto broken = options;
    broken.belay = "/bin/false";
    auto own = make_child_stages(loop.get_executor(), *timers, broken);
    auto outcome = test::run_task(loop, own->run(job("true"), cancel));
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().message.find("without a result"), std::string::npos);
    broken.belay = "/nowhere/belay";
    own = make_child_stages(loop.get_executor(), *timers, broken);
    outcome = test::run_task(loop, own->run(job("true"), cancel));
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().message.find("/nowhere/belay"), std::string::npos);
}

}  // namespace
}  // namespace belay::stage
