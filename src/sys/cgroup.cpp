#include "cgroup_file.hpp"

#include <belay/sys/cgroup.hpp>
#include <belay/sys/unique_fd.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace belay::sys {

namespace {

// Version 1 says "no limit" by the largest number of whole pages.
constexpr std::uint64_t kUnlimited = 1ull << 60;
constexpr Millis kPause{2};

// Held by a pidfd before it is looked for again, so that its pid can't be another's meanwhile.
void kill_member(const std::string& directory, pid_t pid) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) return;
    auto still = read_processes(directory);
    if (std::find(still.begin(), still.end(), pid) != still.end())
        ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
}

}  // namespace

GroupUsage Cgroup::usage() const {
    GroupUsage usage;
    auto most = [](auto& into, std::uint64_t found) { into = std::max(into, found); };
    for (const auto& directory : directories_) {
        // Version 2's name, then version 1's; each is only where its controller is.
        most(usage.peak_memory, read_number(directory + "/memory.peak"));
        most(usage.peak_memory, read_number(directory + "/memory.max_usage_in_bytes"));
        most(usage.oom_kills, read_keyed(directory + "/memory.events", "oom_kill"));
        most(usage.oom_kills, read_keyed(directory + "/memory.oom_control", "oom_kill"));
        for (const char* name : {"/memory.events", "/memory.oom_control"})
            usage.counts_oom = usage.counts_oom || ::access((directory + name).c_str(), F_OK) == 0;
        for (const char* name : {"/memory.max", "/memory.limit_in_bytes"})
            if (auto limit = read_number(directory + name); limit < kUnlimited)
                most(usage.memory_limit, limit);
        const auto micros = read_keyed(directory + "/cpu.stat", "usage_usec");
        usage.cpu = std::max(usage.cpu, Millis(static_cast<std::int64_t>(micros / 1'000)));
        most(usage.throttled, read_keyed(directory + "/cpu.stat", "nr_throttled"));
        most(usage.refused_forks, read_keyed(directory + "/pids.events", "max"));
    }
    return usage;
}

bool Cgroup::has_processes() const {
    return std::any_of(directories_.begin(), directories_.end(), [](const std::string& directory) {
        return !read_processes(directory).empty();
    });
}

void Cgroup::kill(int passes) const {
    for (const auto& directory : directories_)
        if (write_control(directory + "/cgroup.kill", "1")) return;
    for (; passes > 0 && has_processes(); --passes) {
        for (const auto& directory : directories_)
            for (auto pid : read_processes(directory))
                kill_member(directory, pid);
        std::this_thread::sleep_for(kPause);
    }
}

Result<void> Cgroup::remove() const {
    Result<void> result;
    for (const auto& directory : directories_) {
        if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) continue;
        if (errno == EBUSY)
            result = Error{Errc::conflict, "processes live in " + directory};
        else
            result = errno_error(errno, "removing " + directory);
    }
    return result;
}

}  // namespace belay::sys
