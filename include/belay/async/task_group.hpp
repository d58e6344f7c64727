// Coroutines that run on their own, with an owner that waits for them before it goes.
#pragma once

#include <belay/async/event.hpp>
#include <belay/async/task.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <string>

namespace belay::async {

// Loop thread only. An exception that leaves a task is a defect: it is logged with the task's name,
// and the process aborts, as a half-done decision must be taken up by the restart, not be
// forgotten.
class TaskGroup {
  public:
    explicit TaskGroup(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {
        idle_.set();
    }

    void spawn(std::string name, Task<void> task);
    // Returns when no task runs.
    Task<void> join() { return idle_.wait(); }
    std::size_t running() const { return running_; }

  private:
    boost::asio::any_io_executor executor_;
    std::size_t running_ = 0;
    Event idle_;
};

}  // namespace belay::async
