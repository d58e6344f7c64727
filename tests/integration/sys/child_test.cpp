#include "support/eventually.hpp"
#include "support/process_sweep.hpp"
#include "support/temp_directory.hpp"
#include "support/test_loop.hpp"

#include <belay/sys/child.hpp>
#include <belay/sys/files.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <fstream>
#include <signal.h>
#include <sstream>

namespace belay::sys {
namespace {

using test::eventually;
using namespace std::chrono_literals;

struct ChildTest : ::testing::Test {
    test::ProcessSweep sweep;
    test::TestLoop loop;
    test::TempDirectory directory;
    std::string output = directory / "output";

    ChildSpec spec(std::vector<std::string> argv) {
        ChildSpec made;
        made.program.argv = std::move(argv);
        made.program.env = {{"PATH", "/usr/bin:/bin"}};
        made.program.cwd = directory.path();
        made.program.stop.timeout = 200ms;
        out = std::move(*open_file(output, O_WRONLY | O_CREAT | O_APPEND));
        made.out = out.get();
        made.err = out.get();
        return made;
    }
    ChildSpec shell(const std::string& script) { return spec({"sh", "-c", script}); }

    Result<Child> start(ChildSpec made) {
        return loop.run(Child::start(loop.executor(), BELAY_SHIM_PATH, std::move(made)));
    }
    Child started(ChildSpec made) {
        auto child = start(std::move(made));
        if (!child) throw std::runtime_error(child.error().message);
        auto gone = loop.run(child->go());
        if (!gone) throw std::runtime_error(gone.error().message);
        return std::move(*child);
    }
    std::string said() {
        auto text = read_file(output);
        return text ? *text : std::string();
    }
    std::vector<pid_t> pids_said(std::size_t count) {
        std::vector<pid_t> pids;
        eventually([&] {
            std::istringstream lines(said());
            pids.clear();
            for (pid_t pid = 0; lines >> pid;)
                pids.push_back(pid);
            return pids.size() >= count;
        });
        return pids;
    }
    UniqueFd out;
};

bool is_dead(pid_t pid) {
    return !start_time(pid).has_value();
}

TEST_F(ChildTest, TellsItsExitCode) {
    auto child = started(shell("echo hello; exit 3"));
    auto exit = loop.run(child.wait());
    EXPECT_TRUE(exit.known);
    EXPECT_EQ(exit.code, 3);
    EXPECT_EQ(exit.signal, 0);
    EXPECT_EQ(said(), "hello\n");
}

TEST_F(ChildTest, TellsTheSignalThatKilledIt) {
    auto child = started(shell("kill -USR1 $$"));
    auto exit = loop.run(child.wait());
    EXPECT_EQ(exit.signal, SIGUSR1);
    EXPECT_FALSE(exit.success());
}

TEST_F(ChildTest, TellsPeakMemoryAndCpuTimeOfItsTree) {
    auto child =
        started(shell("sh -c 'x=$(head -c 20000000 /dev/zero | tr \"\\0\" a); i=0; while [ $i -lt "
                      "30000 ]; do i=$((i+1)); done'"));
    auto exit = loop.run(child.wait());
    EXPECT_GT(exit.peak_memory, 20'000'000u);
    EXPECT_LT(exit.peak_memory, 2'000'000'000u);
    EXPECT_GT(exit.cpu, 5ms);
}

TEST_F(ChildTest, HasThatEnvironmentAndNothingElse) {
    ::setenv("LEAK_OF_THE_DAEMON", "1", 1);
    auto made = spec({"env"});
    made.program.env = {{"PATH", "/usr/bin:/bin"}, {"SECRET", "s=3"}};
    auto child = started(std::move(made));
    loop.run(child.wait());
    EXPECT_EQ(said(), "PATH=/usr/bin:/bin\nSECRET=s=3\n");
}

TEST_F(ChildTest, HasNoDescriptorBeyondTheStandardOnes) {
    UniqueFd leak(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
    auto child = started(spec({BELAY_TEST_PROGRAM, "fds"}));
    loop.run(child.wait());
    EXPECT_EQ(said(), "0 1 2\n");
}

TEST_F(ChildTest, HasNoIgnoredOrBlockedSignals) {
    auto child = started(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
    loop.run(child.wait());
    EXPECT_EQ(said(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(ChildTest, CanGainNoPrivilegesAndDumpNoCore) {
    auto child = started(shell("grep NoNewPrivs /proc/self/status; ulimit -c; umask"));
    loop.run(child.wait());
    EXPECT_EQ(said(), "NoNewPrivs:\t1\n0\n0022\n");
}

TEST_F(ChildTest, ObeysItsLimits) {
    auto made = shell("ulimit -n; ulimit -f; ulimit -v; ulimit -u");
    made.program.limits = {64, 500, 1024 * 512, 1024 * 1000000};
    auto child = started(std::move(made));
    loop.run(child.wait());
    std::istringstream lines(said());
    long files = 0, size = 0, memory = 0;
    lines >> files >> size >> memory;
    EXPECT_EQ(files, 64);
    EXPECT_EQ(size, 1024);  // blocks of 512
    EXPECT_EQ(memory, 1000000);
}

TEST_F(ChildTest, RunsAsAnotherUserWithoutItsFormerRights) {
    if (::geteuid() != 0) {
        // Who can't change users is told so, and nothing runs.
        auto made = shell("id -u");
        made.program.user = User{52000, 52000, {}};
        auto child = start(std::move(made));
        ASSERT_FALSE(child);
        EXPECT_THAT(child.error().message, ::testing::HasSubstr("user failed: EPERM"));
        return;
    }
    auto made = shell("id -u; id -g; id -G; grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status");
    made.program.cwd = "/";
    made.program.user = User{52000, 52001, {52002}};
    auto child = started(std::move(made));
    loop.run(child.wait());
    EXPECT_EQ(
        said(),
        "52000\n52001\n52001 "
        "52002\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

TEST_F(ChildTest, RunsNothingBeforeGo) {
    auto child = start(shell("echo ran"));
    ASSERT_TRUE(child);
    auto shim = child->identity();
    EXPECT_EQ(shim.boot, boot_id());
    EXPECT_TRUE(open_process(shim));
    {
        auto dropped = std::move(*child);
    }
    ASSERT_TRUE(loop.run_until([&] { return is_dead(shim.pid); }));
    EXPECT_EQ(said(), "");
}

TEST_F(ChildTest, SaysWhyAProgramCannotRun) {
    auto expect = [this](ChildSpec made, const char* text) {
        auto child = start(std::move(made));
        ASSERT_TRUE(child);
        auto gone = loop.run(child->go());
        ASSERT_FALSE(gone);
        EXPECT_EQ(gone.error().code, Errc::invalid);
        EXPECT_THAT(gone.error().message, ::testing::HasSubstr(text));
        loop.run(child->wait());
    };
    expect(spec({"npn"}), "no such program: npn");
    auto plain = directory / "plain";
    ASSERT_TRUE(write_file(plain, "no program", 0644));
    expect(spec({plain}), "plain can't be executed: Permission denied");
    ASSERT_TRUE(write_file(plain, "no program", 0755));
    expect(spec({plain}), "plain is neither a program nor a script");
    auto nowhere = spec({"true"});
    nowhere.program.cwd = "/no/where";
    expect(std::move(nowhere), "directory /no/where: No such file");
}

TEST_F(ChildTest, RefusesWhatCannotBeDescribed) {
    auto nul = spec({std::string("a\0b", 3)});
    EXPECT_EQ(start(std::move(nul)).error().code, Errc::invalid);
    auto large = spec({"true"});
    large.program.env.emplace_back("LARGE", std::string(2 << 20, 'x'));
    EXPECT_THAT(start(std::move(large)).error().message, ::testing::HasSubstr("more than 1 MiB"));
    auto none = spec({});
    EXPECT_EQ(start(std::move(none)).error().code, Errc::invalid);
}

TEST_F(ChildTest, NamesAMissingShim) {
    auto child = loop.run(Child::start(loop.executor(), "/no/belay-shim", shell("true")));
    ASSERT_FALSE(child);
    EXPECT_THAT(child.error().message, ::testing::HasSubstr("/no/belay-shim"));
}

TEST_F(ChildTest, DestroyingItKillsTheWholeTreeAtOnce) {
    std::vector<pid_t> pids;
    {
        auto child = started(spec({BELAY_TEST_PROGRAM, "stubborn"}));
        pids = pids_said(3);
        ASSERT_EQ(pids.size(), 3u);
        pids.push_back(child.identity().pid);
    }
    for (auto pid : pids)
        EXPECT_TRUE(loop.run_until([&] { return is_dead(pid); })) << pid;
}

TEST_F(ChildTest, WhatTheMainProgramLeavesBehindIsKilled) {
    auto child =
        started(shell("setsid sh -c 'sleep 100 & echo $!; sleep 100' & echo $!; sleep 0.1"));
    auto exit = loop.run(child.wait());
    EXPECT_TRUE(exit.success());
    auto pids = pids_said(2);
    ASSERT_EQ(pids.size(), 2u);
    for (auto pid : pids)
        EXPECT_TRUE(is_dead(pid)) << pid;
}

TEST_F(ChildTest, StopSignalsTheTreeAndLetsItFinish) {
    auto child =
        started(shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"));
    ASSERT_TRUE(eventually([&] { return said() == "up\n"; }));
    child.stop();
    auto exit = loop.run(child.wait());
    EXPECT_EQ(exit.code, 7);
    EXPECT_THAT(said(), ::testing::HasSubstr("bye\n"));
}

TEST_F(ChildTest, StopKillsATreeThatIgnoresTermAtItsTimeout) {
    auto child = started(spec({BELAY_TEST_PROGRAM, "stubborn"}));
    auto pids = pids_said(3);
    ASSERT_EQ(pids.size(), 3u);
    auto began = std::chrono::steady_clock::now();
    child.stop();
    auto exit = loop.run(child.wait());
    auto took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(exit.signal, SIGKILL);
    EXPECT_GE(took, 200ms);
    EXPECT_LT(took, 3s);
    for (auto pid : pids)
        EXPECT_TRUE(is_dead(pid)) << pid;
}

TEST_F(ChildTest, AFastForkerIsKilledToo) {
    auto child =
        started(shell("f() { sh -c 'exit 0' & }; while :; do f; (setsid sleep 100 &) ; done"));
    auto shim = child.identity().pid;
    ASSERT_TRUE(eventually([&] { return descendants(shim).size() > 20; }));
    auto tree = descendants(shim);
    child.kill();
    loop.run(child.wait());
    for (auto pid : tree)
        EXPECT_TRUE(is_dead(pid));
}

TEST_F(ChildTest, AKilledShimIsNoticedAndItsProgramDiesWithIt) {
    auto child = started(shell("echo $$; sleep 100"));
    auto pids = pids_said(1);
    ASSERT_EQ(pids.size(), 1u);
    ::kill(child.identity().pid, SIGKILL);
    auto exit = loop.run(child.wait());
    EXPECT_FALSE(exit.known);
    EXPECT_TRUE(loop.run_until([&] { return is_dead(pids[0]); }));
}

TEST_F(ChildTest, PassesListenersByName) {
    auto pipe_in = std::move(*open_file("/dev/zero", O_RDONLY));
    auto made = shell(
        "echo $LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID == $$)); readlink /proc/self/fd/3 "
        "/proc/self/fd/4");
    made.program.listeners = {{pipe_in.get(), "zero"}, {out.get(), "log"}};
    auto child = started(std::move(made));
    loop.run(child.wait());
    EXPECT_EQ(said(), "2 zero:log 1\n/dev/zero\n" + output + "\n");
}

TEST_F(ChildTest, JoinsItsCgroupBeforeItRuns) {
    // Any hierarchy does; the unified one where it is mounted.
    std::filesystem::path group;
    for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"}) {
        group = std::filesystem::path(root) / ("belay-test-" + std::to_string(::getpid()));
        std::error_code failure;
        if (std::filesystem::exists(std::filesystem::path(root) / "cgroup.procs") &&
            std::filesystem::create_directory(group, failure))
            break;
        group.clear();
    }
    if (group.empty()) {
        // Where there is none to be had, a group that can't be joined is told, and nothing runs.
        auto made = shell("echo ran");
        made.program.group = Cgroup({"/no/such/group"});
        auto child = start(std::move(made));
        ASSERT_FALSE(child);
        EXPECT_THAT(child.error().message, ::testing::HasSubstr("cgroup failed: ENOENT"));
        return;
    }
    auto made = shell("cat /proc/self/cgroup");
    made.program.group = Cgroup({group});
    auto child = started(std::move(made));
    loop.run(child.wait());
    EXPECT_THAT(said(), ::testing::HasSubstr(group.filename().string()));
    EXPECT_TRUE(loop.run_until([&] { return ::rmdir(group.c_str()) == 0; }))
        << "nobody is left in it";
}

TEST_F(ChildTest, KillsAllOfAUidOnlyInsideItsRange) {
    auto refused = [](uid_t uid, uid_t first, uid_t last) {
        auto killed = kill_all_of_uid(BELAY_SHIM_PATH, uid, first, last);
        return !killed && killed.error().code == Errc::invalid;
    };
    EXPECT_TRUE(refused(0, 0, 60000));
    EXPECT_TRUE(refused(51999, 52000, 52999));
    EXPECT_TRUE(refused(53000, 52000, 52999));
    EXPECT_TRUE(refused(::getuid(), 0, 4000000000u));
    if (::geteuid() != 0) {
        EXPECT_EQ(kill_all_of_uid(BELAY_SHIM_PATH, 52000, 52000, 52999).error().code,
                  Errc::forbidden);
        return;
    }
    constexpr uid_t kUid = 52917;  // nobody's in any test
    auto made = spec({BELAY_TEST_PROGRAM, "stubborn"});
    made.program.user = User{kUid, kUid, {}};
    made.program.cwd = "/";
    auto child = started(std::move(made));
    auto pids = pids_said(3);
    ASSERT_EQ(pids.size(), 3u);
    auto killed = kill_all_of_uid(BELAY_SHIM_PATH, kUid, 52000, 52999);
    EXPECT_TRUE(killed) << killed.error().message;
    for (auto pid : pids)
        EXPECT_TRUE(loop.run_until([&] { return is_dead(pid); })) << pid;
    EXPECT_TRUE(kill_all_of_uid(BELAY_SHIM_PATH, kUid, 52000, 52999))
        << "nobody left is no failure";
}

}  // namespace
}  // namespace belay::sys
