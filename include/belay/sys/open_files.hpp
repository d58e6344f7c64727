// How many descriptors this process may have: RLIMIT_NOFILE, whose soft value is low for the sake
// of programs that use select(2) (systemd.exec(5)).
#pragma once

#include <optional>
#include <sys/resource.h>

namespace belay::sys {

// Lifts the soft limit to the hard one, 64k at most. Once, at start.
void raise_open_files();
// As it was before, for children, which get it back; none where it was not lifted.
std::optional<rlimit> open_files_before();

}  // namespace belay::sys
