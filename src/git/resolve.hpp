// From what was asked for to the one commit that it means, and what is known of it.
#pragma once

#include "connection.hpp"
#include "failure.hpp"

#include <belay/ports/source.hpp>

namespace belay::git {

// `url` is for messages. A failure with `damaged` set: objects that must be there can't be read.
Outcome<ports::Fetched> resolve(git_repository* repository, const RemoteRefs& refs,
                                const ports::FetchJob& job, std::string_view url);

// `*` (also across slashes), `?`, `[…]`
bool matches_tag(const std::string& pattern, const std::string& tag);

}  // namespace belay::git
