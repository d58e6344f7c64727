// One `belay stage …` child, from its job to its result.
#pragma once

#include "failure.hpp"

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/git/child_source.hpp>
#include <belay/ports/source.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <string>

namespace belay::git {

struct ChildRun {
    boost::asio::any_io_executor executor;
    ChildSourceOptions options;
    std::string operation;
    std::string job;
    ports::SourceChild child;
    mode_t umask = 022;
};

// The text that it left as its result. A child that outlives its time is killed with its whole
// tree.
Task<Outcome<std::string>> run_child(ChildRun run, async::Cancel cancel);

}  // namespace belay::git
