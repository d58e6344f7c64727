// Every fetch leaves a pack; a mirror of thousands would be slow to search. libgit2 has no gc.
#pragma once

#include "failure.hpp"
#include "mirror.hpp"

#include <cstddef>

namespace belay::git {

// With more than `packs_max` packs, makes all but the largest into one: the cost goes with what was
// fetched since, not with the history. Returns how many packs it replaced. Needs the mirror open
// for writing.
Outcome<std::size_t> consolidate_packs(const Mirror& mirror, std::size_t packs_max);

}  // namespace belay::git
