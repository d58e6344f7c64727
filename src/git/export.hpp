// Lays a planned tree out into an empty directory.
#pragma once

#include "failure.hpp"
#include "progress.hpp"
#include "tree_plan.hpp"

#include <belay/ports/source.hpp>

namespace belay::git {

// Files are 0644 or 0755 whatever the tree says, and nothing is ever written through a link. What
// was written before a failure stays: the directory is the caller's to discard.
Outcome<ports::Exported> export_tree(const ports::ExportJob& job, Progress& progress);

}  // namespace belay::git
