#include <belay/async/timers.hpp>

#include <boost/asio/steady_timer.hpp>

namespace belay::async {

namespace asio = boost::asio;

Task<bool> Timers::sleep(Millis delay, Cancel cancel) {
    Event wake;
    auto timer = after(delay, [&wake] { wake.set(); });
    auto canceled = cancel.on_request([&wake] { wake.set(); });
    co_await wake.wait();
    co_return !cancel.requested();
}

Task<bool> Timers::wait(Event& event, Millis delay, Cancel cancel) {
    if (event.is_set()) co_return true;
    // Woken by a second event, as a timeout must not set the caller's.
    struct Shared {
        Event wake;
    };
    auto shared = std::make_shared<Shared>();
    auto timer = after(delay, [shared] { shared->wake.set(); });
    auto canceled = cancel.on_request([shared] { shared->wake.set(); });
    auto relay = event.on_set([shared] { shared->wake.set(); });
    co_await shared->wake.wait();
    co_return event.is_set();
}

namespace {

class AsioTimers : public Timers {
  public:
    explicit AsioTimers(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
    TimePoint now() const override {
        return std::chrono::floor<Millis>(std::chrono::system_clock::now());
    }
    Subscription after(Millis delay, std::function<void()> callback) override {
        auto timer = std::make_shared<asio::steady_timer>(executor_, delay);
        auto live = std::make_shared<bool>(true);
        timer->async_wait(
            [live, callback = std::move(callback)](boost::system::error_code failure) {
                if (!failure && *live) callback();
            });
        return Subscription([timer, live] {
            *live = false;  // it may have expired already, with its handler queued
            timer->cancel();
        });
    }

  private:
    asio::any_io_executor executor_;
};

}  // namespace

std::unique_ptr<Timers> make_timers(asio::any_io_executor executor) {
    return std::make_unique<AsioTimers>(std::move(executor));
}

}  // namespace belay::async
