// What every runtime does alike: whatever keeps the processes up, the engine sees no difference.
#include "runtime_world.hpp"

#include <belay/sys/ports.hpp>
#include <belay/sys/sockets.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>

namespace belay::runtime {
namespace {

using ports::RunInfo;
using ports::RunState;
using test::eventually;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class RuntimeContract : public ::testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (std::string(GetParam()) == "systemd" && !systemd_can_be_tried())
            GTEST_SKIP() << "needs root and systemd as PID 1: tests/system/run runs it there";
        world_ = std::make_unique<RuntimeWorld>(GetParam());
    }
    RuntimeWorld& world() { return *world_; }
    ports::Runtime& runtime() { return *world_->runtime; }

    std::unique_ptr<RuntimeWorld> world_;
};

TEST_P(RuntimeContract, StartsStopsAndForgets) {
    auto started = world().start(world().shell("exec sleep 100"));
    ASSERT_TRUE(started) << started.error().message;
    EXPECT_EQ(started->state, RunState::running);
    EXPECT_TRUE(eventually([&] { return sys::process_name(started->pid) == "sleep"; }));
    EXPECT_FALSE(started->adopted);
    EXPECT_EQ(world().start(world().shell("true")).error().code, Errc::conflict);
    EXPECT_EQ(world().forget().error().code, Errc::conflict);
    EXPECT_TRUE(world().stop());
    EXPECT_TRUE(world().stop()) << "once more is fine";
    EXPECT_EQ(world().info().state, RunState::exited);
    EXPECT_EQ(world().info().last_exit->signal, SIGTERM);
    EXPECT_EQ(world().changes.back().state, RunState::exited);
    EXPECT_TRUE(is_dead(started->pid));
    EXPECT_TRUE(world().forget());
    EXPECT_EQ(runtime().info(kRun).error().code, Errc::not_found);
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
    EXPECT_EQ(world().stop().error().code, Errc::not_found);
    // The same name again is another run.
    auto again = world().start(world().shell("exec sleep 100"));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->policy, RestartPolicy::never);
    EXPECT_EQ(again->restarts, 0u);
    EXPECT_FALSE(again->last_exit);
}

TEST_P(RuntimeContract, NothingRunsAndNothingIsLeftWhenTheRowCannotBeWritten) {
    auto started = world().start(world().shell("echo ran"), refuse_to_go);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::disk_full);
    EXPECT_EQ(world().said(), "");
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
    EXPECT_TRUE(world().changes.empty());
    EXPECT_TRUE(world().adopt().empty());
}

TEST_P(RuntimeContract, AProgramThatCannotRunIsNamedAndNothingIsLeft) {
    auto started = world().start(world().spec({"npn", "start"}));
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::invalid);
    EXPECT_THAT(started.error().message, HasSubstr("no such program: npn"));
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
    EXPECT_TRUE(world().changes.empty()) << "the error says it all";
    auto unlogged = world().spec({"true"});
    unlogged.log_path = "/no/where/log";
    EXPECT_THAT(world().start(std::move(unlogged)).error().message, HasSubstr("/no/where/log"));
    auto nowhere = world().spec({"true"});
    nowhere.cwd = "/no/where";
    EXPECT_EQ(world().start(std::move(nowhere)).error().code, Errc::invalid);
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
}

TEST_P(RuntimeContract, RefusesRunIdsThatAreNoNames) {
    for (const char* id : {"", ".", "..", ".hidden", "a/b", "a b", "a\nb"}) {
        auto made = world().shell("true");
        made.run_id = id;
        EXPECT_EQ(world().start(std::move(made)).error().code, Errc::invalid) << id;
    }
}

TEST_P(RuntimeContract, TheProgramGetsItsWordsItsDirectoryAndItsEnvironmentAndNothingElse) {
    auto made = world().spec(
        {"sh", "-c", "echo \"$0|$1|$2|$3\"; pwd; env; umask", "a b", "$X", "${X}% %h \\", "\"'"});
    made.env = {{"PATH", "/usr/bin:/bin"},
                {"X", "no"},
                {"ODD", "a\"b\\c`d$e\nsecond 'line' # no comment"},
                {"EMPTY", ""}};
    made.cwd = world().directory.path();
    ASSERT_TRUE(world().start(std::move(made)));
    ASSERT_TRUE(world().says("0022"));
    const auto text = world().said();
    EXPECT_THAT(text, HasSubstr("a b|$X|${X}% %h \\|\"'\n"));
    EXPECT_THAT(text, HasSubstr("\n" + world().directory.path().string() + "\n"));
    EXPECT_THAT(text, HasSubstr("ODD=a\"b\\c`d$e\nsecond 'line' # no comment\n"));
    EXPECT_THAT(text, HasSubstr("EMPTY=\n"));
    // sh adds PWD, and some shells _ and SHLVL; systemd always sets LANG where the machine does.
    for (const char* stranger : {"INVOCATION_ID=", "JOURNAL_STREAM=", "SYSTEMD_EXEC_PID=",
                                 "LOGNAME=", "SHELL=", "HOME=", "USER="})
        EXPECT_THAT(text, ::testing::Not(HasSubstr(stranger)));
    struct stat log{};
    ASSERT_EQ(::stat(world().log.c_str(), &log), 0);
    EXPECT_EQ(log.st_mode & 07777, 0600u);
}

TEST_P(RuntimeContract, RunsAsTheUserThatItIsToldWithoutAWayToMore) {
    if (::geteuid() != 0) GTEST_SKIP() << "can't change users here";
    ASSERT_EQ(::chmod(world().directory.path().c_str(), 0755), 0);
    auto made = world().shell(
        "id -u; id -g; id -G; grep -E 'NoNewPrivs|CapEff' /proc/self/status; "
        "exec sleep 100");
    made.user = User{52918, 52919, {}};
    ASSERT_TRUE(world().start(std::move(made)));
    ASSERT_TRUE(world().says("NoNewPrivs"));
    EXPECT_THAT(world().said(), HasSubstr("52918\n52919\n52919\n"));
    EXPECT_THAT(world().said(), HasSubstr("CapEff:\t0000000000000000\n"));
    EXPECT_THAT(world().said(), HasSubstr("NoNewPrivs:\t1\n"));
    EXPECT_TRUE(world().stop());
}

TEST_P(RuntimeContract, TellsExitsAndRestarts) {
    auto made = world().shell("sleep 0.05; exit 4");
    made.policy = RestartPolicy::always;
    ASSERT_TRUE(world().start(std::move(made)));
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().restarts == 1; }, 5s));
    // Between two starts, which is where it is most of the time, or while it runs.
    ASSERT_TRUE(world().loop.run(runtime().set_policy(kRun, RestartPolicy::never)));
    ASSERT_TRUE(world().loop.run_until(
        [&] {
            auto state = world().info().state;
            return state == RunState::exited || state == RunState::gone;
        },
        10s));
    std::vector<RunState> states;
    for (const auto& change : world().changes)
        if (states.empty() || states.back() != change.state) states.push_back(change.state);
    EXPECT_THAT(states, ::testing::IsSupersetOf(
                            {RunState::backing_off, RunState::running, RunState::exited}));
    ASSERT_TRUE(world().info().last_exit);
    EXPECT_EQ(world().info().last_exit->code, 4);
}

TEST_P(RuntimeContract, WhatHasNoPolicyStaysDown) {
    ASSERT_TRUE(world().start(world().shell("exit 3")));
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().state == RunState::exited; }));
    EXPECT_EQ(world().info().last_exit->code, 3);
    EXPECT_EQ(world().info().restarts, 0u);
    EXPECT_EQ(world().loop.run(runtime().set_policy(kRun, RestartPolicy::always)).error().code,
              Errc::conflict);
    EXPECT_TRUE(world().forget());
}

TEST_P(RuntimeContract, APolicyGivenToWhatRunsHolds) {
    ASSERT_TRUE(world().start(world().shell("exec sleep 100")));
    ASSERT_TRUE(world().loop.run(runtime().set_policy(kRun, RestartPolicy::always)));
    EXPECT_EQ(world().info().policy, RestartPolicy::always);
    const auto before = world().info().pid;
    ::kill(before, SIGKILL);
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().restarts == 1; }, 5s));
    ASSERT_TRUE(
        world().loop.run_until([&] { return world().info().state == RunState::running; }, 5s));
    EXPECT_NE(world().info().pid, before);
    EXPECT_TRUE(std::any_of(world().changes.begin(), world().changes.end(), [](const auto& change) {
        return change.state == RunState::backing_off && change.last_exit &&
               change.last_exit->signal == SIGKILL;
    }));
}

TEST_P(RuntimeContract, WhatIgnoresItsSignalIsKilledWithItsTree) {
    ASSERT_TRUE(world().start(world().spec({BELAY_TEST_PROGRAM, "stubborn"})));
    std::vector<pid_t> pids;
    ASSERT_TRUE(eventually([&] {
        pids.clear();
        std::istringstream words(world().said());
        for (pid_t pid = 0; words >> pid;)
            pids.push_back(pid);
        return pids.size() == 3;
    })) << world().said();
    EXPECT_TRUE(world().stop());
    for (auto pid : pids)
        EXPECT_TRUE(is_dead(pid));
}

TEST_P(RuntimeContract, TheSignalGoesToTheTreeOrToItsHead) {
    // The child says what it gets; the parent ends at its own signal, when its child has.
    const std::string script =
        "sh -c 'trap \"echo child\" USR1 TERM; echo up; while :; do sleep 0.02; done' & "
        "trap 'echo main; kill -KILL $!; exit 0' TERM; echo ready; wait";
    for (auto to : {StopTo::main, StopTo::tree}) {
        auto made = world().shell(script);
        made.stop.to = to;
        made.stop.timeout = 5s;
        ::unlink(world().log.c_str());
        ASSERT_TRUE(world().start(std::move(made)));
        ASSERT_TRUE(world().says("up"));
        ASSERT_TRUE(world().says("ready"));
        EXPECT_TRUE(world().stop());
        EXPECT_THAT(world().said(), HasSubstr("main"));
        if (to == StopTo::main) {
            EXPECT_THAT(world().said(), ::testing::Not(HasSubstr("child")));
        }
        EXPECT_TRUE(world().forget());
    }
}

TEST_P(RuntimeContract, ASignalReachesTheProgram) {
    ASSERT_TRUE(
        world().start(world().shell("trap 'echo hup' HUP; echo up; while :; do sleep 0.02; done")));
    ASSERT_TRUE(world().says("up"));
    EXPECT_TRUE(world().loop.run(runtime().signal(kRun, SIGHUP)));
    EXPECT_TRUE(world().says("hup"));
    EXPECT_EQ(world().loop.run(runtime().signal("shop.9.web.1.1", SIGHUP)).error().code,
              Errc::not_found);
}

TEST_P(RuntimeContract, ARunSurvivesItsKilledDaemonAndIsAdoptedByTheNext) {
    auto driver = world().drive("after", "sleep", "100");
    const auto pid = static_cast<pid_t>(std::stol(driver.line()));
    driver.kill();
    EXPECT_FALSE(is_dead(pid));
    auto found = world().adopt();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].run_id, kRun);
    EXPECT_EQ(found[0].state, RunState::running);
    EXPECT_EQ(found[0].pid, pid);
    EXPECT_EQ(found[0].policy, RestartPolicy::always);
    EXPECT_TRUE(found[0].adopted);
    // Its end and its next start are noticed as if it were ours.
    ::kill(pid, SIGKILL);
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().restarts == 1; }, 5s));
    EXPECT_EQ(world().changes.front().last_exit->signal, SIGKILL);
    EXPECT_TRUE(world().stop());
    EXPECT_EQ(world().info().pid, 0);
}

TEST_P(RuntimeContract, ADaemonKilledBeforeGoLeavesNothingRunning) {
    auto driver = world().drive("before", "touch", world().directory / "ran");
    ASSERT_EQ(driver.line(), "before");
    driver.kill();
    auto found = world().adopt();
    ASSERT_EQ(found.size(), 1u);
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().state == RunState::gone; }));
    EXPECT_FALSE(std::filesystem::exists(world().directory / "ran"));
    EXPECT_TRUE(world().forget());
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
}

TEST_P(RuntimeContract, WhatFailedMeanwhileIsToldWithItsExit) {
    const auto fifo = world().directory / "fifo";
    ::mkfifo(fifo.c_str(), 0600);
    ASSERT_TRUE(world().start(world().shell("read line < " + fifo + "; exit 6")));
    const auto pid = world().info().pid;
    world().runtime.reset();
    world().units.reset();
    auto open = sys::open_file(fifo, O_WRONLY);
    ASSERT_EQ(::write(open->get(), "x\n", 2), 2);
    ASSERT_TRUE(eventually([&] { return is_dead(pid); }));
    ASSERT_TRUE(eventually([&] {
        auto found = world().adopt();
        return found.size() == 1 && found[0].state == RunState::exited;
    }));
    EXPECT_EQ(world().info().last_exit->code, 6);
}

TEST_P(RuntimeContract, ADirectoryThatIsNoRunIsLeftAlone) {
    ASSERT_TRUE(world().start(world().shell("exec sleep 100")));
    ASSERT_TRUE(sys::write_file(world().runs / "file", "x"));
    std::filesystem::create_directory_symlink(world().runs / kRun, world().runs / "li:nk");
    EXPECT_EQ(world().adopt().size(), 1u);
    EXPECT_TRUE(std::filesystem::exists(world().runs / "file"));
}

class PortContract : public RuntimeContract {
  protected:
    void SetUp() override {
        RuntimeContract::SetUp();
        if (world_) port = *runtime().allot_port(0);
    }
    ports::ProcessSpec listening(std::uint16_t on) {
        auto made = world().spec({BELAY_TEST_PROGRAM, "listen", "127.0.0.1", std::to_string(on)});
        made.port = port;
        return made;
    }
    ports::ListenerReport report() { return *world().loop.run(runtime().listeners(kRun, port)); }

    std::uint16_t port = 0;
};

TEST_P(PortContract, KnowsItsOwnListener) {
    ASSERT_TRUE(world().start(listening(port)));
    ASSERT_TRUE(world().says("listening"));
    auto found = report();
    EXPECT_TRUE(found.owned());
    EXPECT_EQ(ports::explain(found, port), "candidate listens on PORT " + std::to_string(port));
    EXPECT_TRUE(world().stop());
    EXPECT_FALSE(report().owned());
    EXPECT_TRUE(sys::port_is_free(port)) << "nothing of it is left";
}

TEST_P(PortContract, AListenerOfAGrandchildIsItsOwn) {
    auto made = world().shell(std::string(BELAY_TEST_PROGRAM) + " listen 127.0.0.1 " +
                              std::to_string(port) + " & wait");
    made.port = port;
    ASSERT_TRUE(world().start(std::move(made)));
    ASSERT_TRUE(world().says("listening"));
    EXPECT_TRUE(report().owned());
}

TEST_P(PortContract, SaysWhereACandidateListensInstead) {
    auto elsewhere = *runtime().allot_port(0);
    ASSERT_TRUE(world().start(listening(elsewhere)));
    ASSERT_TRUE(world().says("listening"));
    auto found = report();
    EXPECT_FALSE(found.owned());
    EXPECT_EQ(ports::explain(found, port),
              "candidate listens on 127.0.0.1:" + std::to_string(elsewhere) + ", not on PORT " +
                  std::to_string(port) + ": make it use $PORT");
}

TEST_P(PortContract, AStrangerOnThePortIsNamed) {
    auto made = world().shell("exec sleep 100");
    made.port = port;
    ASSERT_TRUE(world().start(std::move(made)));
    EXPECT_EQ(ports::explain(report(), port),
              "candidate does not listen on PORT " + std::to_string(port));
    auto stranger = std::move(*sys::listen_tcp("127.0.0.1:" + std::to_string(port)));
    auto found = report();
    EXPECT_FALSE(found.owned());
    EXPECT_THAT(ports::explain(found, port),
                HasSubstr("(pid " + std::to_string(::getpid()) + ") listens on 127.0.0.1:"));
}

TEST_P(PortContract, APortInUseIsRefusedBeforeAnythingStarts) {
    auto stranger = std::move(*sys::listen_tcp("127.0.0.1:" + std::to_string(port)));
    auto started = world().start(listening(port));
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::conflict);
    EXPECT_THAT(started.error().message, HasSubstr("(pid " + std::to_string(::getpid()) + ")"));
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
}

TEST_P(PortContract, PortsOfAdoptedRunsAreHeldUntilForgotten) {
    auto made = world().shell("exec sleep 100");
    made.port = port;
    ASSERT_TRUE(world().start(std::move(made)));
    world().adopt();
    EXPECT_NE(*runtime().allot_port(port), port);
    EXPECT_TRUE(world().stop());
    EXPECT_TRUE(world().forget());
    EXPECT_EQ(*runtime().allot_port(port), port);
}

TEST_P(PortContract, TheTreeOfAnotherUserIsLookedIntoToo) {
    if (::geteuid() != 0) GTEST_SKIP() << "can't change users here";
    auto made = listening(port);
    made.user = User{52918, 52918, {}};
    ASSERT_TRUE(world().start(std::move(made)));
    ASSERT_TRUE(world().says("listening"));
    EXPECT_TRUE(report().owned());
    EXPECT_TRUE(world().stop());
    EXPECT_EQ(world().info().last_exit->signal, SIGTERM);
}

std::string name_of(const ::testing::TestParamInfo<const char*>& info) {
    return info.param;
}
INSTANTIATE_TEST_SUITE_P(Runtime, RuntimeContract, ::testing::Values("process", "systemd"),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Runtime, PortContract, ::testing::Values("process", "systemd"), name_of);

}  // namespace
}  // namespace belay::runtime
