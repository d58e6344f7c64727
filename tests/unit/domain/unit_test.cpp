#include <belay/domain/unit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::domain {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = UnitChange::Kind;

UnitState running(pid_t pid = 100, std::string invocation = "a") {
    UnitState state;
    state.load = "loaded";
    state.active = "active";
    state.sub = "running";
    state.result = "success";
    state.main_pid = pid;
    state.invocation = std::move(invocation);
    return state;
}

Exit exit_of(int code, int signal = 0) {
    Exit exit;
    exit.code = code;
    exit.signal = signal;
    return exit;
}

UnitState over(const std::string& result, std::optional<Exit> exit) {
    auto state = running(0);
    state.active = state.sub = "failed";
    state.result = result;
    state.ended = exit;
    return state;
}

UnitChange after_running(const UnitState& now) {
    return compare("shop.service", running(), now);
}

TEST(UnitName, IsThatOfAService) {
    for (const auto* good :
         {"shop.service", "shop@1.service", "a-b_c:d.e.service", "srv-shop\\x2dweb.service"})
        EXPECT_TRUE(check_unit_name(good)) << good;
    for (const auto* bad :
         {"", ".service", "shop", "shop.socket", "shop@.service", "@1.service", "shop/web.service",
          "shop .service", "shop;reboot.service", "belay.service", "belay-proxy.service"})
        EXPECT_FALSE(check_unit_name(bad)) << bad;
    EXPECT_FALSE(check_unit_name(std::string(250, 'a') + ".service"));
    EXPECT_THAT(check_unit_name("shop").error().message, HasSubstr("write \"shop.service\""));
    EXPECT_THAT(check_unit_name("shop@.service").error().message, HasSubstr("template"));
}

TEST(UnitChange, ThereIsNoneWhileTheSameProcessRuns) {
    EXPECT_EQ(after_running(running()).kind, Kind::none);
    EXPECT_EQ(compare("shop.service", {}, running()).kind, Kind::none);
    auto reloading = running();
    reloading.active = "reloading";
    EXPECT_EQ(after_running(reloading).kind, Kind::none);
}

TEST(UnitChange, SaysHowItEnded) {
    auto change = after_running(over("exit-code", exit_of(3)));
    EXPECT_TRUE(change.ended());
    EXPECT_EQ(change.failure.reason, Reason::exited);
    EXPECT_EQ(change.failure.exit_code, 3);
    EXPECT_EQ(change.failure.detail, "shop.service exited with code 3");
    change = after_running(over("signal", exit_of(0, SIGSEGV)));
    EXPECT_EQ(change.failure.signal, SIGSEGV);
    EXPECT_EQ(change.failure.detail, "shop.service was killed by SEGV");
    change = after_running(over("oom-kill", exit_of(0, SIGKILL)));
    EXPECT_EQ(change.failure.reason, Reason::oom);
    change = after_running(over("start-limit-hit", exit_of(1)));
    EXPECT_THAT(change.failure.detail, HasSubstr("so often in a short time"));
    change = after_running(over("exit-code", exit_of(200)));
    EXPECT_THAT(change.failure.detail, HasSubstr("WorkingDirectory="));
    EXPECT_TRUE(compare("shop.service", {}, over("exit-code", exit_of(3))).ended())
        << "also where nothing was seen of it before";
}

TEST(UnitChange, OneThatWasStoppedHasEndedButNotOneThatIsBeingRestarted) {
    auto stopped = running(0);
    stopped.active = "inactive";
    stopped.sub = "dead";
    EXPECT_TRUE(after_running(stopped).ended());
    stopped.has_job = true;
    EXPECT_FALSE(after_running(stopped).ended());
    auto stopping = running();
    stopping.active = "deactivating";
    EXPECT_FALSE(after_running(stopping).ended());
    stopping.result = "exit-code";
    stopping.ended = exit_of(2);
    EXPECT_TRUE(after_running(stopping).ended());
}

TEST(UnitChange, SystemdsOwnRestartsAreAnEndEachWhetherOrNotItWasSeen) {
    auto waiting = running(0);
    waiting.active = "activating";
    waiting.sub = "auto-restart";
    waiting.result = "exit-code";
    waiting.ended = exit_of(7);
    auto change = after_running(waiting);
    EXPECT_EQ(change.failure.reason, Reason::exited);
    EXPECT_EQ(change.failure.exit_code, 7);

    auto again = running(101, "b");
    again.restarts = 1;
    change = after_running(again);
    EXPECT_TRUE(change.ended());
    EXPECT_EQ(change.failure.reason, Reason::flapping);
    EXPECT_THAT(change.failure.detail, HasSubstr("systemd started it again (1 time by now)"));
}

TEST(UnitChange, AnotherMainProcessIsNoEnd) {
    EXPECT_EQ(after_running(running(101)).kind, Kind::renewed) << "it handed over by itself";
    EXPECT_EQ(after_running(running(101, "b")).kind, Kind::renewed) << "systemctl restart";
    auto before = running();
    before.restarts = 4;
    EXPECT_EQ(compare("shop.service", before, running(101, "b")).kind, Kind::renewed)
        << "systemd counts from zero again";
    auto remains = running(0);
    remains.sub = "exited";
    EXPECT_TRUE(after_running(remains).ended()) << "RemainAfterExit=";
}

TEST(UnitState, SaysWhyItCannotBeActedOn) {
    auto state = running();
    EXPECT_EQ(unusable("shop.service", state, "restart"), "");
    EXPECT_THAT(unusable("shop.service", state, "reload"), HasSubstr("ExecReload="));
    state.can_reload = true;
    EXPECT_EQ(unusable("shop.service", state, "reload"), "");
    state.load = "masked";
    EXPECT_THAT(unusable("shop.service", state, "restart"), HasSubstr("systemctl unmask"));
    state.load = "not-found";
    EXPECT_THAT(unusable("shop.service", state, "restart"), HasSubstr("knows no shop.service"));
    state.load = "bad-setting";
    EXPECT_THAT(unusable("shop.service", state, "restart"), HasSubstr("systemd-analyze verify"));
}

}  // namespace
}  // namespace belay::domain
