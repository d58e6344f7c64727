#include "command.hpp"

#include <algorithm>
#include <numeric>

namespace belay::cli {
namespace {

// Levenshtein's distance, a swap of neighbours counting as two.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            auto replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
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
