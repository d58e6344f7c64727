// Brings the mirror up to date and says what was wanted of it.
#pragma once

#include "failure.hpp"
#include "order.hpp"
#include "progress.hpp"

#include <belay/ports/source.hpp>

#include <vector>

namespace belay::git {

Outcome<ports::Fetched> fetch(const FetchOrder& order, Progress& progress);

// What the remote has, without taking it.
Outcome<std::vector<ports::Tip>> list_tips(const TipsOrder& order, Progress& progress);

Outcome<ports::Changes> list_changes(const ports::ChangesJob& job);

}  // namespace belay::git
