// Time that stands until a test moves it.
#pragma once

#include <belay/async/timers.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <memory>
#include <utility>

namespace belay::test {

class FakeTimers : public async::Timers {
  public:
    async::SteadyTime steady_now() const override { return now_; }
    TimePoint now() const override {
        return TimePoint{Millis{1'763'000'000'000}} + jumped_ +
               std::chrono::duration_cast<Millis>(now_.time_since_epoch());
    }
    async::Subscription after(Millis delay, std::function<void()> callback) override {
        auto live = std::make_shared<bool>(true);
        waiting_.emplace(now_ + delay, Entry{live, std::move(callback)});
        return async::Subscription([live] { *live = false; });
    }

    // As if the process had been stopped for so long: nothing of it ran meanwhile.
    void stall(Millis time) { now_ += time; }
    // The wall clock is set, or the machine was suspended: CLOCK_MONOTONIC stands still for either.
    void jump(Millis time) { jumped_ += time; }

    // Lets everything run that can, moving time to the next timer whenever nothing else is left,
    // until the condition holds. False when `limit` of fake time passed first, or nothing waits for
    // anything.
    bool run_until(boost::asio::io_context& loop, const std::function<bool()>& condition,
                   Millis limit = Millis{3'600'000}) {
        const auto end = now_ + limit;
        while (true) {
            loop.restart();
            while (loop.poll() > 0) {
            }
            if (condition()) return true;
            while (!waiting_.empty() && !*waiting_.begin()->second.live)
                waiting_.erase(waiting_.begin());
            if (waiting_.empty() || waiting_.begin()->first > end) return false;
            auto entry = waiting_.begin()->second;
            now_ = std::max(now_, waiting_.begin()->first);
            waiting_.erase(waiting_.begin());
            entry.callback();
        }
    }

  private:
    struct Entry {
        std::shared_ptr<bool> live;
        std::function<void()> callback;
    };
    async::SteadyTime now_{Millis{1'000'000}};
    Millis jumped_{0};
    std::multimap<async::SteadyTime, Entry> waiting_;
};

}  // namespace belay::test
