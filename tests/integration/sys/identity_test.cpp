#include "support/eventually.hpp"
#include "support/process_sweep.hpp"

#include <belay/sys/identity.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <sys/prctl.h>

namespace belay::sys {
namespace {

using test::eventually;

pid_t fork_sleeper() {
    pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_NAME, "od) d (name");
        for (;;)
            ::pause();
    }
    return pid;
}

struct IdentityTest : ::testing::Test {
    test::ProcessSweep sweep;
};

TEST_F(IdentityTest, HoldsALivingProcess) {
    auto pid = fork_sleeper();
    ASSERT_TRUE(eventually([&] { return process_name(pid) == "od) d (name"; }));
    auto identity = identify(pid);
    ASSERT_TRUE(identity);
    auto held = open_process(*identity);
    ASSERT_TRUE(held);
    EXPECT_FALSE(has_ended(*held));
    EXPECT_TRUE(send_signal(*held, SIGKILL));
    EXPECT_TRUE(eventually([&] { return has_ended(*held); }));
}

TEST_F(IdentityTest, AZombieIsDead) {
    auto pid = fork_sleeper();
    auto identity = *identify(pid);
    ::kill(pid, SIGKILL);
    // It is never reaped here, and kill(pid, 0) would still succeed.
    ASSERT_TRUE(eventually([&] { return !start_time(pid).has_value(); }));
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_EQ(open_process(identity).error().code, Errc::not_found);
}

TEST_F(IdentityTest, AnotherStartTimeOrBootIsAnotherProcess) {
    auto identity = *identify(fork_sleeper());
    auto other = identity;
    ++other.start;
    EXPECT_EQ(open_process(other).error().code, Errc::not_found);
    other = identity;
    other.boot[0] = other.boot[0] == '0' ? '1' : '0';
    EXPECT_EQ(open_process(other).error().code, Errc::not_found);
    EXPECT_TRUE(open_process(identity));
}

TEST_F(IdentityTest, NobodyHasPidZero) {
    EXPECT_FALSE(open_process({boot_id(), 0, 0}));
    EXPECT_FALSE(open_process({boot_id(), -1, 0}));
}

TEST_F(IdentityTest, FindsDescendantsInOtherSessions) {
    pid_t pid = ::fork();
    if (pid == 0) {
        if (::fork() == 0) {
            ::setsid();
            fork_sleeper();
        }
        for (;;)
            ::pause();
    }
    EXPECT_TRUE(eventually([&] { return descendants(pid).size() == 2; }));
    EXPECT_TRUE(descendants(::getpid()).size() >= 3);
}

TEST_F(IdentityTest, TokensDiffer) {
    EXPECT_EQ(random_token().size(), 32u);
    EXPECT_NE(random_token(), random_token());
}

}  // namespace
}  // namespace belay::sys
