// Time as the engine sees it: injected, so that tests move it by hand.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/event.hpp>
#include <belay/async/task.hpp>
#include <belay/base/time.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace belay::async {

using SteadyTime = std::chrono::steady_clock::time_point;

// Loop thread only.
class Timers {
  public:
    virtual ~Timers() = default;

    // CLOCK_MONOTONIC: for every wait and every duration.
    virtual SteadyTime steady_now() const = 0;
    // The wall clock: for records only.
    virtual TimePoint now() const = 0;
    // Calls back once, on the loop, after the delay; dropping the subscription cancels.
    [[nodiscard]] virtual Subscription after(Millis delay, std::function<void()> callback) = 0;

    // True after the delay, false as soon as `cancel` is requested.
    Task<bool> sleep(Millis delay, Cancel cancel = Cancel());
    // True once the event is set, false when the delay passes or `cancel` is requested first.
    Task<bool> wait(Event& event, Millis delay, Cancel cancel = Cancel());
};

std::unique_ptr<Timers> make_timers(boost::asio::any_io_executor executor);

}  // namespace belay::async
