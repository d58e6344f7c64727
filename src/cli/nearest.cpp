#include "command.hpp"

#include <algorithm>
#include <numeric>

namespace belay::cli {
namespace {

// Optimal string alignment: letters added, left out, replaced, or swapped with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> rows(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    std::iota(rows[0].begin(), rows[0].end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        rows[i][0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            auto replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
    std::optional<std::string> best;
    // Beyond half of the word a suggestion is a guess.
    std::size_t limit = std::max<std::size_t>(word.size() / 2, 1) + 1;
    for (const auto& candidate : candidates) {
        auto far = distance(word, candidate);
        if (far >= limit) continue;
        best = candidate;
        limit = far;
    }
    return best;
}

}  // namespace belay::cli
