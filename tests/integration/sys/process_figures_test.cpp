#include <belay/sys/process_figures.hpp>
#include <belay/sys/unique_fd.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <fcntl.h>
#include <sys/resource.h>
#include <vector>

namespace belay::sys {
namespace {

TEST(ProcessFigures, AreThoseOfThisProcess) {
    const auto before = process_figures();
    EXPECT_GT(before.resident_bytes, 1u << 20);
    EXPECT_GT(before.virtual_bytes, before.resident_bytes);
    const auto age = std::chrono::system_clock::now() - before.started_at;
    EXPECT_GE(age, std::chrono::seconds(-1));
    EXPECT_LT(age, std::chrono::minutes(10));
    rlimit most{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &most), 0);
    EXPECT_EQ(before.open_files_max, most.rlim_cur);

    std::vector<UniqueFd> held;
    for (int i = 0; i < 5; ++i)
        held.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::vector<char> touched(16 << 20, 1);
    volatile double sum = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    while (std::chrono::steady_clock::now() < end)
        sum = sum + touched[0];
    const auto after = process_figures();
    EXPECT_EQ(after.open_files, before.open_files + 5);
    EXPECT_GT(after.resident_bytes, before.resident_bytes + (8u << 20));
    EXPECT_GT(after.cpu_seconds, before.cpu_seconds);
    const auto drift = after.started_at - before.started_at;
    EXPECT_LT(drift, std::chrono::seconds(1));
    EXPECT_GT(drift, std::chrono::seconds(-1));
}

}  // namespace
}  // namespace belay::sys
