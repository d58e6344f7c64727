// Which of the kernel's clocks waits go by.
#include <belay/async/timers.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <sched.h>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::async {
namespace {

std::chrono::nanoseconds read_clock(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

bool write_offsets(std::string_view text) {
    int fd = ::open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) > 0;
    ::close(fd);
    return written;
}

constexpr int kRight = 0;
constexpr int kWrong = 1;
constexpr int kNotHere = 2;

// As after a suspend of a day: CLOCK_BOOTTIME counts it, CLOCK_MONOTONIC does not
// [clock_gettime(2), time_namespaces(7)].
int look_after_a_suspend() {
    if (::unshare(CLONE_NEWTIME) != 0 || !write_offsets("boottime 86400 0\n")) return kNotHere;
    const pid_t inside = ::fork();
    if (inside < 0) return kNotHere;
    if (inside == 0) {
        boost::asio::io_context loop{1};
        auto timers = make_timers(loop.get_executor());
        const auto before = read_clock(CLOCK_MONOTONIC);
        const std::chrono::nanoseconds now = timers->steady_now().time_since_epoch();
        const auto after = read_clock(CLOCK_MONOTONIC);
        const bool differs = read_clock(CLOCK_BOOTTIME) - after > std::chrono::hours(20);
        std::_Exit(!differs ? kNotHere : before <= now && now <= after ? kRight : kWrong);
    }
    int status = 0;
    ::waitpid(inside, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : kWrong;
}

TEST(Clock, Fault33_TimeStandsStillForWaitsWhileTheMachineIsSuspended) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) std::_Exit(look_after_a_suspend());
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == kNotHere)
        GTEST_SKIP() << "a time namespace takes CAP_SYS_ADMIN and a kernel with them";
    EXPECT_EQ(WEXITSTATUS(status), kRight);
}

}  // namespace
}  // namespace belay::async
