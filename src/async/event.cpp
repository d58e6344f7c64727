#include <belay/async/event.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace belay::async {

namespace asio = boost::asio;

// A timer that never fires: cancelling it posts the resumption through the waiter's executor.
struct Event::Waiter {
    Waiter(const asio::any_io_executor& executor, Event& owner) : timer(executor), event(&owner) {
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        place = event->waiters_.insert(event->waiters_.end(), this);
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
        if (event) event->waiters_.erase(place);
    }

    asio::steady_timer timer;
    Event* event;  // null once the event is gone
    std::list<Waiter*>::iterator place;
};

Event::~Event() {
    for (auto* waiter : waiters_) {
        waiter->event = nullptr;
        waiter->timer.cancel();
    }
}

void Event::set() {
    set_ = true;
    for (auto* waiter : waiters_)
        waiter->timer.cancel();
    callbacks_.request();
}

void Event::reset() {
    set_ = false;
    callbacks_ = Cancel();
}

Subscription Event::on_set(std::function<void()> callback) {
    return callbacks_.on_request(std::move(callback));
}

Task<void> Event::wait() {
    if (set_) co_return;
    auto executor = co_await asio::this_coro::executor;
    Waiter waiter(executor, *this);
    co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace belay::async
