#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/process_figures.hpp>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <sys/resource.h>
#include <unistd.h>

namespace belay::sys {
namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double seconds(const timespec& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// The kernel counts from the boot on.
TimePoint started_at() {
    auto ticks = start_time(::getpid());
    timespec now{}, since_boot{};
    if (!ticks || ::clock_gettime(CLOCK_REALTIME, &now) != 0 ||
        ::clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return {};
    const double start = static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    const double at = seconds(now) - seconds(since_boot) + start;
    return TimePoint(Millis{static_cast<std::int64_t>(at * 1'000)});
}

std::uint64_t count_open_files() {
    std::uint64_t count = 0;
    std::error_code failure;
    for (std::filesystem::directory_iterator at("/proc/self/fd", failure), end;
         !failure && at != end; at.increment(failure))
        ++count;
    return count == 0 ? 0 : count - 1;  // the one that this looks with
}

}  // namespace

ProcessFigures process_figures() {
    ProcessFigures figures;
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) == 0)
        figures.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    if (auto text = read_file("/proc/self/statm", 4096)) {
        unsigned long whole = 0, resident = 0;
        const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        if (std::sscanf(text->c_str(), "%lu %lu", &whole, &resident) == 2) {
            figures.virtual_bytes = whole * page;
            figures.resident_bytes = resident * page;
        }
    }
    figures.open_files = count_open_files();
    rlimit most{};
    if (::getrlimit(RLIMIT_NOFILE, &most) == 0) figures.open_files_max = most.rlim_cur;
    figures.started_at = started_at();
    return figures;
}

}  // namespace belay::sys
