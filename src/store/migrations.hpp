// How the database's schema came to be, step by step. A step that was shipped is never edited: the
// next one amends it.
#pragma once

#include "sqlite.hpp"

#include <span>

namespace belay::store {

// Number n (from 1) leads from schema n - 1 to n.
std::span<const char* const> migrations();

// The schema's version in the file, after checking that this program may use it. Writes nothing.
// conflict: newer than `known`, or the file is another program's; internal: damaged.
Result<int> check_version(Connection& connection, int known);

// Applies what is missing, each step in a transaction of its own.
Result<void> migrate(Connection& connection, std::span<const char* const> steps);

}  // namespace belay::store
