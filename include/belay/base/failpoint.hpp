// Places at which tests kill the daemon. Compiled in by BELAY_FAILPOINTS only.
#pragma once

#include <string_view>

namespace belay {

#ifdef BELAY_FAILPOINTS
// Kills the process (SIGKILL) when the environment's BELAY_FAILPOINT is this name, or at its n-th
// passing for "name:n".
// "*:n" counts every point; with BELAY_FAILPOINT_LOG=FILE each passing is appended there by name.
void failpoint(std::string_view name);
#else
inline void failpoint(std::string_view) {}
#endif

}  // namespace belay
