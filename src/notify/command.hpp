// Starting the command of an exec channel.
#pragma once

#include "channel.hpp"

#include <belay/async/timers.hpp>

#include <boost/asio/any_io_executor.hpp>

namespace belay::notify {

// Returns when its whole tree is dead; killed after the limit. Exit code 0 is done; anything else
// is tried again, with the code and the first line of what it said to standard error.
Task<ports::Verdict> run_command(boost::asio::any_io_executor executor, async::Timers& timers,
                                 std::string shim, CommandRun command, Millis limit);

}  // namespace belay::notify
