// Who listens on a run's port: asked before it starts, and of the run itself.
#pragma once

#include <belay/ports/runtime.hpp>

#include <cstdint>
#include <vector>

namespace belay::runtime {

// Errc::conflict names who took it since it was allotted.
Result<void> check_port(std::uint16_t port);

// `inodes`: the sockets of the run's processes.
Result<ports::ListenerReport> listener_report(const std::vector<std::uint64_t>& inodes,
                                              std::uint16_t port);

}  // namespace belay::runtime
