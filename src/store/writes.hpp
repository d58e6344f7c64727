// What each kind of write does to the tables.
#pragma once

#include "sqlite.hpp"

#include <belay/ports/store.hpp>

#include <cstdint>
#include <vector>

namespace belay::store {

// Within the caller's transaction; after an error the caller undoes what was done of the batch.
Result<ports::Committed> apply_batch(Connection& connection,
                                     const std::vector<ports::Write>& batch);

// One step of ports::Store::prune, bounded so that no commit waits long behind it.
Result<std::int64_t> prune_step(Connection& connection, TimePoint before, int keep_newest);

}  // namespace belay::store
