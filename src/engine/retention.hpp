// Which releases may leave the disk; pure.
#pragma once

#include <belay/domain/config.hpp>
#include <belay/domain/release.hpp>

#include <set>
#include <string>
#include <vector>

namespace belay::engine {

// What is known of one app's releases.
struct Kept {
    std::vector<domain::Release> rows;   // newest first
    std::vector<ReleaseNumber> on_disk;  // ascending
    ReleaseNumber live = 0;
    // Live, stable, standby, what runs, and what a deployment is made of or returns to.
    std::set<ReleaseNumber> needed;
    domain::Keep keep;
};

struct Unneeded {
    ReleaseNumber release = 0;
    std::uint64_t bytes = 0;
    std::string why;
};

// Oldest first. Never one that is needed, nor the last healthy one before live: the way back.
// Failed ones never push out healthy ones.
std::vector<Unneeded> unneeded_releases(const Kept& kept);

}  // namespace belay::engine
