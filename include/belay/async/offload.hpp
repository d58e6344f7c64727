// Blocking work on a pool's thread; the coroutine goes on where it was.
#pragma once

#include <belay/async/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>
#include <utility>

namespace belay::async {

template <class Function>
auto run_on_pool(Function function) -> Task<std::invoke_result_t<Function>> {
    co_return function();
}

// Runs `function` on the pool and resumes on the caller's executor with its result.
template <class Function>
auto offload(boost::asio::thread_pool& pool, Function function)
    -> Task<std::invoke_result_t<Function>> {
    auto work = run_on_pool(std::move(function));
    co_return co_await boost::asio::co_spawn(pool, std::move(work), boost::asio::use_awaitable);
}

}  // namespace belay::async
