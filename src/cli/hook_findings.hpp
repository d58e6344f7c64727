// What the pings of `belay hook test` show, in words: each hop, and the cure of what failed.
#pragma once

#include <belay/cli/cli.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::cli {

// What the daemon itself knows of a ping.
struct Inbox {
    bool asked = false;    // the daemon was reached over its socket
    std::string delivery;  // "w12"; empty: not recorded
    std::string decision;
    std::string reason;
};

struct Findings {
    std::vector<std::pair<std::string, std::string>> hops;  // "name" -> "... is 203.0.113.5"
    std::string verdict;                                    // one sentence
    std::string cure;                                       // empty: nothing is to be done
    bool arrives = false;
};

// `outside` and `inside`: the inbox's rows of the two pings.
Findings judge_hook(const HookTest& test, const Inbox& outside, const Inbox& inside);

}  // namespace belay::cli
