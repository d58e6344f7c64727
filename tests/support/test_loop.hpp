// A loop that tests drive by hand: coroutines to their end, or until something is true.
#pragma once

#include "support/run_task.hpp"

#include <belay/async/timers.hpp>

#include <optional>

namespace belay::test {

class TestLoop {
  public:
    boost::asio::any_io_executor executor() { return context.get_executor(); }
    async::Timers& timers() { return *timers_; }

    // Also of results that have no default value.
    template <class T>
    T run(Task<T> task) {
        std::optional<T> out;
        run_task(context, store(std::move(task), out));
        return std::move(*out);
    }
    void run(Task<void> task) { run_task(context, std::move(task)); }

    template <class Condition>
    bool run_until(Condition condition,
                   std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
        auto end = std::chrono::steady_clock::now() + deadline;
        while (!condition()) {
            if (std::chrono::steady_clock::now() >= end) return false;
            context.restart();
            context.run_one_for(std::chrono::milliseconds(5));
        }
        return true;
    }

    boost::asio::io_context context{1};

  private:
    template <class T>
    static Task<void> store(Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }

    std::unique_ptr<async::Timers> timers_ = async::make_timers(context.get_executor());
};

}  // namespace belay::test
