// The next proxy, started by the one that it follows: an upgrade without a closed door.
#pragma once

#include "fd.hpp"

#include <belay/base/error.hpp>
#include <belay/proxy/run.hpp>

#include <sys/types.h>
#include <vector>

namespace belay::proxy {

struct Successor {
    pid_t pid = 0;
    Fd ready;  // readable: one byte once it serves; its end without one: it failed
};

// Starts the program of our own path, as it is now, on the same listeners (LISTEN_FDS), as a child
// of our parent. Errc of the errno.
Result<Successor> start_successor(const ProxyOptions& options, const std::vector<int>& listeners);

// To be called once when serving: tells whoever started us by start_successor().
void tell_predecessor();

}  // namespace belay::proxy
