// The adapter against a systemd of the test's own on a real bus; tests/system has the real one.
#include "fake_systemd.hpp"
#include "support/private_bus.hpp"
#include "support/test_loop.hpp"

#include <belay/runtime/system_units.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <systemd/sd-daemon.h>

namespace belay::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Millis kPatience{5'000};

class SystemUnits : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!test::PrivateBus::possible()) GTEST_SKIP() << "there is no dbus-daemon";
        ASSERT_TRUE(bus_.start());
        systemd_ = std::make_unique<test::FakeSystemd>(bus_.address());
        units_ = make_system_units(loop_.executor(), loop_.timers(), {bus_.address(), {}});
    }
    Result<void> act(const std::string& action, Millis patience = kPatience) {
        return loop_.run(units_->act("shop.service", action, patience));
    }

    test::PrivateBus bus_;
    test::TestLoop loop_;
    std::unique_ptr<test::FakeSystemd> systemd_;
    std::unique_ptr<ports::Units> units_;
};

TEST_F(SystemUnits, SayHowAUnitIs) {
    auto state = loop_.run(units_->state("shop.service"));
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->load, "loaded");
    EXPECT_TRUE(state->up());
    EXPECT_TRUE(state->can_reload);
    EXPECT_FALSE(state->has_job);
    EXPECT_EQ(state->main_pid, 42);
    EXPECT_EQ(state->invocation, "07070707070707070707070707070707");
    EXPECT_FALSE(state->ended);
    test::FakeSystemd::Unit unit;
    unit.active = unit.sub = "failed";
    unit.result = "signal";
    unit.main_pid = 0;
    unit.restarts = 3;
    unit.job = 9;
    unit.main_code = CLD_KILLED;
    unit.main_status = SIGSEGV;
    systemd_->set(unit);
    state = loop_.run(units_->state("shop.service"));
    ASSERT_TRUE(state);
    EXPECT_FALSE(state->up());
    EXPECT_TRUE(state->has_job);
    EXPECT_EQ(state->restarts, 3U);
    ASSERT_TRUE(state->ended);
    EXPECT_EQ(state->ended->signal, SIGSEGV);
}

TEST_F(SystemUnits, ThatDoNotExistAreNoError) {
    test::FakeSystemd::Unit unit;
    unit.load = "not-found";
    systemd_->set(unit);
    auto state = loop_.run(units_->state("shop.service"));
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->load, "not-found");
    EXPECT_FALSE(state->up());
}

TEST_F(SystemUnits, AreRestartedWhateverTheirStartLimitSays) {
    ASSERT_TRUE(act("restart"));
    EXPECT_THAT(systemd_->calls(), ElementsAre("ResetFailedUnit", "RestartUnit"));
}

TEST_F(SystemUnits, AreReloadedWhereTheyRunAndStartedWhereNot) {
    ASSERT_TRUE(act("reload"));
    test::FakeSystemd::Unit unit;
    unit.active = "failed";
    systemd_->set(unit);
    ASSERT_TRUE(act("reload"));
    EXPECT_THAT(systemd_->calls(),
                ElementsAre("ResetFailedUnit", "ReloadUnit", "ResetFailedUnit", "RestartUnit"));
}

TEST_F(SystemUnits, ThatDoNotComeUpSayHowTheirJobEnded) {
    systemd_->jobs_end_as("failed");
    auto failed = act("restart");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::conflict);
    EXPECT_THAT(failed.error().message, HasSubstr("\"failed\""));
    systemd_->jobs_end_as("");
    auto late = act("restart", Millis{50});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::timeout);
}

TEST_F(SystemUnits, ThatMayNotBeActedOnNameTheCure) {
    systemd_->refuse_with("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired");
    for (const auto& refused : {act("restart"), loop_.run(units_->prepare("shop.service"))}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::forbidden);
        EXPECT_THAT(refused.error().message,
                    HasSubstr("as root, belay unit allow shop.service --user "));
    }
}

TEST_F(SystemUnits, TellThatTheyHaveChanged) {
    int told = 0;
    auto watch = units_->watch("shop.service", [&] { ++told; });
    ASSERT_TRUE(loop_.run(units_->state("shop.service")));
    told = 0;
    test::FakeSystemd::Unit unit;
    unit.restarts = 1;
    systemd_->set(unit);
    EXPECT_TRUE(loop_.run_until([&] { return told > 0; }));
}

TEST_F(SystemUnits, CannotBeAskedWhereNobodyIsThere) {
    systemd_.reset();
    auto state = loop_.run(units_->state("shop.service"));
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, Errc::unavailable) << state.error().message;
}

TEST(SystemUnitsOfThisMachine, SayThatSystemdDoesNotRun) {
    if (::sd_booted() > 0) GTEST_SKIP() << "it does";
    test::TestLoop loop;
    auto units = make_system_units(loop.executor(), loop.timers());
    auto state = loop.run(units->state("shop.service"));
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, Errc::unavailable);
    EXPECT_THAT(state.error().message, HasSubstr("systemd does not run on this machine"));
    auto log = units->log("shop.service", 0);
    EXPECT_FALSE(loop.run(log->read(0)));
}

}  // namespace
}  // namespace belay::runtime
