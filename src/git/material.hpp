// What a job's files hold, read by the daemon for a child that may not.
#pragma once

#include "failure.hpp"
#include "order.hpp"

#include <belay/ports/source.hpp>

namespace belay::git {

// Files that don't exist are left out where a repository may do without; others are an error that
// names them.
Outcome<Material> read_material(const ports::SourceAccess& access);

}  // namespace belay::git
