// Runs a coroutine to its end on the test's loop.
#pragma once

#include <belay/async/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace belay::test {

inline constexpr std::chrono::seconds kTaskDeadline{30};

// Throws what the task throws, and std::runtime_error when it has not ended in time.
template <class T>
T run_task(boost::asio::io_context& loop, Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    bool done = false;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr thrown, T value) {
        failure = thrown;
        result.emplace(std::move(value));
        done = true;
    });
    auto deadline = std::chrono::steady_clock::now() + kTaskDeadline;
    loop.restart();
    while (!done && loop.run_one_until(deadline) != 0) {
    }
    if (failure) std::rethrow_exception(failure);
    if (!done) throw std::runtime_error("the task has not ended in time");
    return std::move(*result);
}

inline void run_task(boost::asio::io_context& loop, Task<void> task) {
    std::exception_ptr failure;
    bool done = false;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr thrown) {
        failure = thrown;
        done = true;
    });
    auto deadline = std::chrono::steady_clock::now() + kTaskDeadline;
    loop.restart();
    while (!done && loop.run_one_until(deadline) != 0) {
    }
    if (failure) std::rethrow_exception(failure);
    if (!done) throw std::runtime_error("the task has not ended in time");
}

}  // namespace belay::test
