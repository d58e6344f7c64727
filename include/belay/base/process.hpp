// How a process is to be run, stopped and remembered: shared by whoever asks for one and whoever
// starts it.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace belay {

// Numeric, as the users of apps need no passwd entry.
struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;

    bool operator==(const User&) const = default;
};

// What setrlimit(2) can bound, per process; unset: as the daemon has it. Core dumps are always off.
struct ProcessLimits {
    std::optional<std::uint64_t> open_files;
    std::optional<std::uint64_t> processes;      // of the uid, not of the tree
    std::optional<std::uint64_t> file_size;      // bytes
    std::optional<std::uint64_t> address_space;  // bytes
};

enum class StopTo { tree, main };

// The signal first goes to the whole tree or to the main process; what lives after the timeout is
// killed, always as a tree.
struct StopRule {
    int signal = SIGTERM;
    StopTo to = StopTo::tree;
    Millis timeout = Seconds{30};
};

// What the shim does when its program has ended. `always` waits 1, 2, 4 … 60 s between starts, for
// ever.
enum class RestartPolicy { never, always };

// "TERM", "SIGTERM" or "15" → 15. Errc::invalid names the text.
Result<int> parse_signal(std::string_view text);
// 15 → "TERM"; "signal 42" where there is no name.
std::string signal_name(int number);

// How a process ended, with what its whole tree used.
struct Exit {
    bool known = true;              // false: nobody could see the status (its shim was killed)
    int code = 0;                   // meaningful while signal is 0
    int signal = 0;                 // 0: it exited by itself
    std::uint64_t peak_memory = 0;  // bytes; the largest process of the tree
    Millis cpu{0};                  // user and system time of the tree
    TimePoint at{};
    bool oom = false;                // the kernel killed of its tree for want of memory
    std::uint64_t memory_limit = 0;  // bytes, of the whole tree, where it is known; 0: none

    bool success() const { return known && signal == 0 && code == 0; }
};

// "exited with code 3", "killed by KILL", "ended, but how is unknown", "killed by KILL: out of
// memory, at its limit of 64MiB".
std::string describe(const Exit& exit);

}  // namespace belay
