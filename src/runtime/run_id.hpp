// What may name a run: a directory and a unit are named after it.
#pragma once

#include <algorithm>
#include <string_view>

namespace belay::runtime {

inline constexpr std::size_t kLongestRunId = 127;  // kMaxRun of the shim

inline bool run_id_is_valid(std::string_view id) {
    auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return !id.empty() && id.size() <= kLongestRunId && id.front() != '.' &&
           std::all_of(id.begin(), id.end(), allowed);
}

}  // namespace belay::runtime
