// What systemd's runtime does for itself alone, with a real systemd: tests/system/run takes it
// there.
#include "runtime_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <sys/stat.h>

namespace belay::runtime {
namespace {

using ports::RunState;
using test::eventually;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kUnit = "belay-shop.1.web.1.1.service";

// What a command says.
std::string output_of(const std::string& command) {
    std::string text;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
    char buffer[4096];
    while (std::size_t got = ::fread(buffer, 1, sizeof buffer, pipe))
        text.append(buffer, got);
    ::pclose(pipe);
    return text;
}

class SystemdRuntime : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!systemd_can_be_tried())
            GTEST_SKIP() << "needs root and systemd as PID 1: tests/system/run runs it there";
        world_ = std::make_unique<RuntimeWorld>("systemd");
    }
    RuntimeWorld& world() { return *world_; }
    Result<void> boot_with(std::vector<std::string> ids) {
        return world().loop.run(world().runtime->start_at_boot("shop", std::move(ids)));
    }

    std::unique_ptr<RuntimeWorld> world_;
};

TEST_F(SystemdRuntime, AUnitHasItsLimitsItsSandboxAndNoSecret) {
    auto made = world().shell("exec sleep 100");
    made.env.emplace_back("TOKEN", "very-secret");
    made.resources.memory = 64u << 20;
    made.resources.cpu = 0.5;
    made.resources.processes = 40;
    made.stop = {SIGQUIT, StopTo::main, Seconds{7}};
    ASSERT_TRUE(world().start(std::move(made)));
    const auto shown = output_of(std::string("systemctl show ") + kUnit);
    for (const char* line :
         {"\nMemoryMax=67108864\n", "\nMemorySwapMax=0\n", "\nCPUQuotaPerSecUSec=500ms\n",
          "\nTasksMax=40\n", "\nKillMode=mixed\n", "\nKillSignal=3\n", "\nTimeoutStopUSec=7s\n",
          "\nNoNewPrivileges=yes\n", "\nProtectSystem=full\n", "\nSlice=belay-apps.slice\n",
          "\nRestart=no\n", "\nStartLimitIntervalUSec=0\n"})
        EXPECT_THAT("\n" + shown, HasSubstr(line));
    EXPECT_THAT(shown, Not(HasSubstr("very-secret")));
    EXPECT_THAT(output_of(std::string("systemctl cat ") + kUnit), Not(HasSubstr("very-secret")));
    struct stat environment{};
    ASSERT_EQ(::stat((world().runs / kRun / "env").c_str(), &environment), 0);
    EXPECT_EQ(environment.st_mode & 07777, 0600u);
    EXPECT_TRUE(world().loop.run(world().runtime->set_policy(kRun, RestartPolicy::always)));
    EXPECT_THAT(
        output_of(std::string("systemctl show -p Restart -p MemoryMax -p KillSignal ") + kUnit),
        ::testing::AllOf(HasSubstr("Restart=always"), HasSubstr("MemoryMax=67108864"),
                         HasSubstr("KillSignal=3")));
}

TEST_F(SystemdRuntime, WhatAnEnvironmentCannotCarryIsRefused) {
    auto made = world().shell("true");
    made.env.emplace_back("BELL", "a\x07z");
    auto refused = world().start(std::move(made));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("BELL"));
    EXPECT_THAT(refused.error().message, Not(HasSubstr("a\x07z")));
    EXPECT_TRUE(std::filesystem::is_empty(world().runs));
}

TEST_F(SystemdRuntime, WhatBootsIsOneFileAndOnlyWhatWasNamedLast) {
    const std::string target = "/etc/systemd/system/belay-shop.target";
    const std::string link = "/etc/systemd/system/multi-user.target.wants/belay-shop.target";
    const std::string file = std::string("/etc/systemd/system/") + kUnit;
    ASSERT_TRUE(world().start(world().shell("exec sleep 100")));
    EXPECT_FALSE(std::filesystem::exists(target));
    ASSERT_TRUE(boot_with({kRun}));
    EXPECT_THAT(*sys::read_file(target), HasSubstr(std::string("Wants=") + kUnit + "\n"));
    EXPECT_TRUE(std::filesystem::exists(link));
    EXPECT_THAT(output_of("systemd-analyze verify " + file), Not(HasSubstr(kUnit)))
        << "it complains of nothing";
    EXPECT_THAT(*sys::read_file(file), HasSubstr("Restart=always"));
    const auto pid = world().info().pid;
    EXPECT_EQ(world().adopt().at(0).pid, pid) << "naming it changes nothing that runs";

    auto next = world().shell("exec sleep 100");
    next.run_id = "shop.2.web.1.1";
    ASSERT_TRUE(world().start(std::move(next)));
    ASSERT_TRUE(boot_with({"shop.2.web.1.1"}));
    EXPECT_THAT(*sys::read_file(target), Not(HasSubstr(kUnit)));
    EXPECT_TRUE(world().stop());
    EXPECT_TRUE(world().forget());
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_THAT(*sys::read_file(target), HasSubstr("belay-shop.2.web.1.1.service"));
    EXPECT_TRUE(world().loop.run(world().runtime->stop("shop.2.web.1.1")));
    EXPECT_FALSE(std::filesystem::exists(target)) << "before it is dead";
    EXPECT_FALSE(std::filesystem::is_symlink(link));
    EXPECT_TRUE(world().loop.run(world().runtime->forget("shop.2.web.1.1")));
    EXPECT_THAT(output_of("ls /etc/systemd/system"), Not(HasSubstr("belay-shop")));
}

TEST_F(SystemdRuntime, AUnitThatEndsCleanlyIsSeenToByWhoeverStartedIt) {
    ASSERT_TRUE(world().start(world().shell("sleep 0.1; exit 0")));
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().state == RunState::exited; }));
    EXPECT_TRUE(world().info().last_exit->success());
    EXPECT_TRUE(world().forget());
    EXPECT_THAT(output_of(std::string("systemctl show -p LoadState ") + kUnit),
                HasSubstr("LoadState=not-found"));
}

TEST_F(SystemdRuntime, TheBusMayRestartUnderneath) {
    ASSERT_TRUE(world().start(world().shell("exec sleep 100")));
    const auto pid = world().info().pid;
    output_of("systemctl restart dbus.service");
    ASSERT_TRUE(world().loop.run_until(
        [&] { return world().loop.run(world().units->version()).has_value(); }));
    EXPECT_EQ(world().info().state, RunState::running);
    ::kill(pid, SIGKILL);
    ASSERT_TRUE(world().loop.run_until([&] { return world().info().state == RunState::exited; }));
    EXPECT_EQ(world().info().last_exit->signal, SIGKILL);
}

TEST_F(SystemdRuntime, ARunThatSomebodyRestartsByHandIsTold) {
    ASSERT_TRUE(world().start(world().shell("exec sleep 100")));
    const auto before = world().info().pid;
    output_of(std::string("systemctl restart ") + kUnit);
    ASSERT_TRUE(world().loop.run_until([&] {
        const auto info = world().info();
        return info.state == RunState::running && info.pid != before && info.pid != 0;
    }));
    EXPECT_TRUE(std::any_of(world().changes.begin(), world().changes.end(), [](const auto& change) {
        return change.state != RunState::running;
    })) << "a new process is not the one that was judged";
}

TEST(SystemdRuntimeElsewhere, SaysWhatItNeeds) {
    if (systemd_can_be_tried()) GTEST_SKIP() << "it is here";
    RuntimeWorld world("systemd");
    auto started = world.start(world.shell("true"));
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::invalid);
    EXPECT_THAT(started.error().message, HasSubstr("set runtime = \"process\""));
    EXPECT_TRUE(std::filesystem::is_empty(world.runs));
    // What an earlier boot under systemd left is gone, and in nobody's way.
    ASSERT_TRUE(sys::make_directories(world.runs / kRun, 0700));
    ASSERT_TRUE(sys::write_file(
        world.runs / kRun / "run.json",
        R"({"schema":1,"run":"shop.1.web.1.1","port":0,"started_at":"2026-01-01T00:00:00.000Z",)"
        R"("stop_timeout_ms":1000,"boot":"other","invocation":""})"));
    auto found = world.adopt();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].state, RunState::gone);
    EXPECT_TRUE(world.stop());
    EXPECT_TRUE(world.forget());
    EXPECT_TRUE(std::filesystem::is_empty(world.runs));
}

}  // namespace
}  // namespace belay::runtime
