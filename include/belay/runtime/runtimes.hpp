// Several runtimes as one: each run belongs to the one that its specification names.
#pragma once

#include <belay/ports/runtime.hpp>

#include <memory>

namespace belay::runtime {

// Both share one pool of ports, of which `process` is asked.
std::unique_ptr<ports::Runtime> make_runtimes(std::unique_ptr<ports::Runtime> process,
                                              std::unique_ptr<ports::Runtime> systemd);

}  // namespace belay::runtime
