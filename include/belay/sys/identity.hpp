// Who a process is: a pid alone is reused, so boot id and start time go with it, and a pidfd holds
// it.
#pragma once

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace belay::sys {

// The kernel's id of this boot (/proc/sys/kernel/random/boot_id).
const std::string& boot_id();

// Field 22 of /proc/PID/stat: clock ticks since boot. Errc::not_found where there is no such
// process, or only its zombie.
Result<std::uint64_t> start_time(pid_t pid);

struct ProcessIdentity {
    std::string boot;
    pid_t pid = 0;
    std::uint64_t start = 0;

    bool operator==(const ProcessIdentity&) const = default;
};
Result<ProcessIdentity> identify(pid_t pid);

// A pidfd of exactly this process: opened first, then the start time is read again.
// Errc::not_found: it is dead, a zombie, of another boot, or its pid is another process's now.
Result<UniqueFd> open_process(const ProcessIdentity& identity);

// Errc::not_found: dead already.
Result<void> send_signal(const UniqueFd& pidfd, int number);

// Readable when it ended; a zombie counts as ended, so kill(pid, 0) is not asked.
bool has_ended(const UniqueFd& pidfd);

// The processes below `root`, `root` itself excluded, parents first. A snapshot: repeat it until
// nothing is left.
std::vector<pid_t> descendants(pid_t root);

// The program's name as in /proc/PID/comm; empty where it can't be read.
std::string process_name(pid_t pid);

// 32 hex digits from the kernel's random source.
std::string random_token();

}  // namespace belay::sys
