// Probes of type exec: a command of the user's, run beside the app as the app's own user.
#pragma once

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/ports/health.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <string>

namespace belay::health {

// What of the command's output is kept in the record: its end.
inline constexpr std::size_t kTailBytes = 1'000;

// Loop thread only; `timers` outlives it.
class ExecProbes {
  public:
    ExecProbes(boost::asio::any_io_executor loop, async::Timers& timers, std::string shim)
        : loop_(loop), timers_(timers), shim_(std::move(shim)), tasks_(loop) {}

    // Exit code 0 passes. When it returns the command's whole process tree is dead, but for one
    // that can't be killed, which the result says.
    Task<void> probe(const ports::ProbeTarget& target, async::Cancel cancel, domain::Probe& result);

  private:
    boost::asio::any_io_executor loop_;
    async::Timers& timers_;
    std::string shim_;
    async::TaskGroup tasks_;
};

}  // namespace belay::health
