// How long things took, as a count for each range of durations (what Prometheus calls a histogram).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace belay {

struct Histogram {
    // The ranges' upper bounds in seconds, rising; they outlive the histogram.
    explicit Histogram(std::span<const double> upper) : bounds(upper), counts(upper.size() + 1) {}

    void add(double seconds) {
        auto range = std::lower_bound(bounds.begin(), bounds.end(), seconds);
        ++counts[static_cast<std::size_t>(range - bounds.begin())];
        sum += seconds;
    }

    std::span<const double> bounds;
    std::vector<std::uint64_t> counts;  // of each range; the last: of all that is above the bounds
    double sum = 0;                     // seconds
};

}  // namespace belay
