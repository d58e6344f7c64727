#include <belay/async/task_group.hpp>
#include <belay/base/log.hpp>

#include <boost/asio/co_spawn.hpp>

#include <cstdlib>
#include <exception>

namespace belay::async {

void TaskGroup::spawn(std::string name, Task<void> task) {
    ++running_;
    idle_.reset();
    boost::asio::co_spawn(executor_, std::move(task),
                          [this, name = std::move(name)](std::exception_ptr failure) {
                              if (failure) {
                                  try {
                                      std::rethrow_exception(failure);
                                  } catch (const std::exception& exception) {
                                      log::error("a task failed in a way that it should not",
                                                 {{"task", name}, {"error", exception.what()}});
                                  }
                                  std::abort();
                              }
                              if (--running_ == 0) idle_.set();
                          });
}

}  // namespace belay::async
