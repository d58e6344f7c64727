// What a git hook reads, as the body of a generic delivery (spec/decisions.md 28).
#pragma once

#include <belay/base/time.hpp>

#include <istream>
#include <string>
#include <vector>

namespace belay::cli {

struct RefUpdate {
    std::string before;  // zeros: the ref is new
    std::string after;   // zeros: the ref is gone
    std::string ref;
};

// Lines "old new ref" (githooks(5), post-receive); others are passed over.
std::vector<RefUpdate> read_updates(std::istream& lines);

struct PushBody {
    std::string repository;  // its path
    std::string pusher;
    TimePoint at{};
};

// One body for at most a thousand updates, which is what the receiver takes at once.
std::vector<std::string> push_bodies(const std::vector<RefUpdate>& updates, const PushBody& about);

// "main 1a2b3c4", "dev deleted", "3 refs"
std::string describe(const std::vector<RefUpdate>& updates);

}  // namespace belay::cli
