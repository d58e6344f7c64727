// The coroutine of the data plane. Not asio::awaitable: a flow that need not wait costs a frame and
// nothing else, and a wait costs no allocation (see stream.hpp). Loop thread only.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace belay::proxy {

namespace detail {

struct FlowPromiseBase {
    std::coroutine_handle<> continuation;
    bool detached = false;

    std::suspend_always initial_suspend() noexcept { return {}; }
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

struct FlowEnd {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> flow) noexcept {
        auto& promise = flow.promise();
        if (promise.detached) {
            flow.destroy();
            return std::noop_coroutine();
        }
        return promise.continuation ? promise.continuation : std::noop_coroutine();
    }
    void await_resume() noexcept {}
};

template <class T>
struct FlowPromise : FlowPromiseBase {
    std::optional<T> value;

    auto get_return_object() { return std::coroutine_handle<FlowPromise>::from_promise(*this); }
    FlowEnd final_suspend() noexcept { return {}; }
    void return_value(T result) { value.emplace(std::move(result)); }
    T take() { return std::move(*value); }
};

template <>
struct FlowPromise<void> : FlowPromiseBase {
    auto get_return_object() { return std::coroutine_handle<FlowPromise>::from_promise(*this); }
    FlowEnd final_suspend() noexcept { return {}; }
    void return_void() {}
    void take() {}
};

}  // namespace detail

// With g++ 12.2 no co_await may stand in the condition of an if or a loop: the frame's promise then
// lies elsewhere than resume() looks for it (this hits asio::awaitable, too). Name the result
// first.
//
// Lazy. Awaiting runs it in place, so one that never waits never suspends its caller, and loops
// over such do not grow the stack. An exception that leaves a flow is a defect and ends the
// process; the shim starts it anew.
template <class T = void>
class [[nodiscard]] Flow {
  public:
    using promise_type = detail::FlowPromise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    Flow(Handle handle) : handle_(handle) {}  // NOLINT: made from get_return_object()
    Flow(Flow&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Flow& operator=(Flow&&) = delete;
    ~Flow() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() {
        handle_.resume();
        return handle_.done();
    }
    void await_suspend(std::coroutine_handle<> caller) { handle_.promise().continuation = caller; }
    T await_resume() { return handle_.promise().take(); }

    // Runs on its own and frees itself at its end.
    void start() && {
        auto handle = std::exchange(handle_, {});
        handle.promise().detached = true;
        handle.resume();
    }

  private:
    Handle handle_;
};

// One flow waits for another's word.
class Latch {
  public:
    bool await_ready() const { return open_; }
    void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
    void await_resume() const {}

    void open() {
        open_ = true;
        if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
    }

  private:
    bool open_ = false;
    std::coroutine_handle<> waiter_;
};

}  // namespace belay::proxy
