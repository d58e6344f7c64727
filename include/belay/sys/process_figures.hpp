// What this process uses, as Prometheus' clients tell it of theirs.
#pragma once

#include <belay/base/time.hpp>

#include <cstdint>

namespace belay::sys {

struct ProcessFigures {
    double cpu_seconds = 0;  // user and system, of all its threads [getrusage(2)]
    std::uint64_t resident_bytes = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t open_files = 0;  // of descriptors [proc(5), /proc/self/fd]
    std::uint64_t open_files_max = 0;
    TimePoint started_at{};
};

// As far as /proc tells; 0 where it does not.
ProcessFigures process_figures();

}  // namespace belay::sys
