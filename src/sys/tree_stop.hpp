// Ending a tree whose shim can't do it: dead, or not answering.
#pragma once

#include <belay/async/task.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/process.hpp>
#include <belay/sys/identity.hpp>

namespace belay::sys {

// The root and all below it by the stop rule, KILL after its timeout; every one is held by a pidfd
// before it is signalled. Returns when all are dead: Errc::timeout where something survives KILL
// for 10 s. Success where the root's identity is nobody's any more.
Task<Result<void>> stop_tree(async::Timers& timers, ProcessIdentity root, StopRule rule);

}  // namespace belay::sys
