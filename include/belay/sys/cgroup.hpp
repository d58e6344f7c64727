// One control group of the kernel [cgroups(7)]: what a run or a step may use of the machine, what
// it has used, and all that lives in it, however it hides from its parents.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace belay::sys {

// Of all processes of the group together; unset: without limit.
struct GroupLimits {
    std::optional<std::uint64_t> memory;     // bytes, page cache included; swap is none
    std::optional<double> cpu;               // cores
    std::optional<std::uint64_t> processes;  // and threads, a shim's included
};

struct GroupUsage {
    std::uint64_t peak_memory = 0;    // bytes; 0: not counted here
    std::uint64_t memory_limit = 0;   // bytes; 0: none
    Millis cpu{0};                    // user and system time
    bool counts_oom = false;          // the next is known
    std::uint64_t oom_kills = 0;      // processes that the kernel killed for want of memory
    std::uint64_t refused_forks = 0;  // at the limit of processes
    std::uint64_t throttled = 0;      // periods in which it had to wait for its share of the cpus
};

// Of version 2 it is one directory, of version 1 one for each controller. Copies are the same
// group; nothing ends with one. Any thread; calls block for as long as the kernel takes, which is
// little.
class Cgroup {
  public:
    Cgroup() = default;  // none: nothing is counted, killed or removed
    explicit Cgroup(std::vector<std::string> directories) : directories_(std::move(directories)) {}

    // What a process joins by its cgroup.procs.
    const std::vector<std::string>& directories() const { return directories_; }
    explicit operator bool() const { return !directories_.empty(); }

    // What can't be read is 0.
    GroupUsage usage() const;
    bool has_processes() const;
    // KILL to all that is in it: at once with version 2, else again and again until nothing is left
    // or `passes` are over.
    void kill(int passes = 50) const;
    // Errc::conflict: something lives in it. Success where it is gone.
    Result<void> remove() const;

  private:
    std::vector<std::string> directories_;
};

}  // namespace belay::sys
