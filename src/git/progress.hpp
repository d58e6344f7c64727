// How far the job is: written by the working thread, read by the one that watches the clock.
#pragma once

#include <atomic>
#include <cstdint>

namespace belay::git {

enum class Phase {
    waiting_for_lock,
    connecting,
    negotiating,
    receiving,
    importing,
    resolving,
    writing
};

struct Progress {
    std::atomic<Phase> phase{Phase::waiting_for_lock};
    std::atomic<std::uint64_t> objects{0};
    std::atomic<std::uint64_t> objects_total{0};
    std::atomic<std::uint64_t> bytes{0};
};

}  // namespace belay::git
