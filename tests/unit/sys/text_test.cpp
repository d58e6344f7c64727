#include <belay/base/process.hpp>
#include <belay/sys/ports.hpp>

#include <gtest/gtest.h>

namespace belay {
namespace {

TEST(PortRange, TakesFirstAndLast) {
    auto range = sys::parse_port_range("20000-29999");
    ASSERT_TRUE(range);
    EXPECT_EQ(range->first, 20000);
    EXPECT_EQ(range->last, 29999);
}

TEST(PortRange, RefusesWhatIsNone) {
    for (const char* text :
         {"", "20000", "-", "1-", "-1", "0-10", "30-20", "1-70000", "a-b", "1-2x", "1 - 2"})
        EXPECT_FALSE(sys::parse_port_range(text)) << text;
}

TEST(Signal, HasNamesAndNumbers) {
    EXPECT_EQ(*parse_signal("TERM"), SIGTERM);
    EXPECT_EQ(*parse_signal("SIGQUIT"), SIGQUIT);
    EXPECT_EQ(*parse_signal("15"), SIGTERM);
    for (const char* text : {"", "term", "NOPE", "0", "65", "15x"})
        EXPECT_FALSE(parse_signal(text)) << text;
    EXPECT_EQ(signal_name(SIGKILL), "KILL");
    EXPECT_EQ(signal_name(42), "signal 42");
}

TEST(Exit, IsToldInWords) {
    Exit exit;
    EXPECT_TRUE(exit.success());
    exit.code = 3;
    EXPECT_EQ(describe(exit), "exited with code 3");
    exit.signal = SIGKILL;
    EXPECT_EQ(describe(exit), "killed by KILL");
    exit.oom = true;
    EXPECT_EQ(describe(exit), "killed by KILL: out of memory");
    exit.memory_limit = 64 << 20;
    EXPECT_EQ(describe(exit), "killed by KILL: out of memory, at its limit of 64MiB");
    exit.oom = false;
    exit.known = false;
    EXPECT_EQ(describe(exit), "ended, but how is unknown");
    EXPECT_FALSE(exit.success());
}

}  // namespace
}  // namespace belay
