// A latch that coroutines wait for: the one primitive from which exits, deadlines and cancellation
// are combined.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>

#include <functional>
#include <list>

namespace belay::async {

// Loop thread only. Must outlive its waiters' wait.
class Event {
  public:
    Event() = default;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event();

    // Wakes all present waiters, and lets later ones through at once until reset().
    void set();
    void reset();
    bool is_set() const { return set_; }

    // Returns when set. Resumes from the executor, never inside set().
    Task<void> wait();

    // Calls back inside set(), once; at once if it is set already.
    [[nodiscard]] Subscription on_set(std::function<void()> callback);

  private:
    struct Waiter;
    std::list<Waiter*> waiters_;
    Cancel callbacks_;
    bool set_ = false;
};

}  // namespace belay::async
