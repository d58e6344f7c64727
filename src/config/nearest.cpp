#include "config/nearest.hpp"

#include <algorithm>
#include <cstddef>

namespace belay::config {
namespace {

constexpr std::size_t kWordMax = 64;  // longer ones are no slips of the finger

std::string folded(std::string_view word) {
    std::string result;
    for (char c : word)
        result += c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return result;
}

}  // namespace

int edit_distance(std::string_view left, std::string_view right) {
    std::vector<std::vector<int>> cost(left.size() + 1, std::vector<int>(right.size() + 1));
    for (std::size_t i = 0; i <= left.size(); ++i)
        cost[i][0] = static_cast<int>(i);
    for (std::size_t j = 0; j <= right.size(); ++j)
        cost[0][j] = static_cast<int>(j);
    for (std::size_t i = 1; i <= left.size(); ++i)
        for (std::size_t j = 1; j <= right.size(); ++j) {
            int change = left[i - 1] == right[j - 1] ? 0 : 1;
            cost[i][j] =
                std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
            bool swapped =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[left.size()][right.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    if (word.size() > kWordMax) return "";
    auto wanted = folded(word);
    std::string best;
    int best_distance = std::max(1, static_cast<int>(word.size()) / 3) + 1;
    for (const auto& candidate : known) {
        auto distance = edit_distance(wanted, folded(candidate));
        // a beginning or an end left out: "silence_timeout", "hc_path"
        bool part = wanted.size() > 3 && (wanted.find(candidate) != wanted.npos ||
                                          candidate.find(wanted) != candidate.npos);
        if (part && candidate.size() > 3) distance = std::min(distance, 1);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

}  // namespace belay::config
