// The coroutine type of all that waits on the loop thread.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace belay {

// Lazy: nothing runs until it is awaited or spawned. With g++ 12, write only names and constructor
// calls inside a co_await expression: a lambda with captures or a braced aggregate there is
// destroyed twice (scripts/lint looks).
template <class T = void>
using Task = boost::asio::awaitable<T>;

}  // namespace belay
