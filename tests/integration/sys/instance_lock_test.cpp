#include "support/temp_directory.hpp"

#include <belay/sys/instance_lock.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::sys {
namespace {

TEST(InstanceLock, NamesWhoHoldsIt) {
    test::TempDirectory directory;
    auto file = directory.path() / "lock";
    {
        auto first = InstanceLock::take(file);
        ASSERT_TRUE(first);
        auto second = InstanceLock::take(file);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, Errc::conflict);
        EXPECT_EQ(second.error().message, directory.path().string() +
                                              " is in use by another belay (pid " +
                                              std::to_string(::getpid()) + ")");
    }
    EXPECT_TRUE(InstanceLock::take(file)) << "free again";
}

TEST(InstanceLock, SaysWhereItCannotBeTaken) {
    auto lock = InstanceLock::take("/no/where/lock");
    ASSERT_FALSE(lock);
    EXPECT_THAT(lock.error().message, ::testing::HasSubstr("/no/where/lock"));
}

}  // namespace
}  // namespace belay::sys
