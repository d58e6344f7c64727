#include "loop.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <utility>

namespace belay::proxy {

void Timer::unlink() {
    if (!previous_) return;
    *previous_ = next_;
    if (next_) next_->previous_ = previous_;
    previous_ = nullptr;
    next_ = nullptr;
}

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw ErrorException(errno_error(errno, "making an epoll descriptor"));
    read_clock();
    tick_ = now_tick();
}

void Loop::read_clock() {
    now_us_ = std::chrono::duration_cast<std::chrono::microseconds>(
                  std::chrono::steady_clock::now().time_since_epoch())
                  .count();
}

void Loop::watch(int fd, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        throw ErrorException(errno_error(errno, "watching a socket"));
}

void Loop::change(int fd, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0)
        throw ErrorException(errno_error(errno, "watching a socket"));
}

void Loop::forget(int fd, Watcher& watcher) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    for (int i = event_at_; i < event_count_; ++i) {
        auto& event = events_[static_cast<std::size_t>(i)];
        if (event.data.ptr == &watcher) event.data.ptr = nullptr;
    }
}

void Loop::arm(Timer& timer, Millis delay) {
    timer.unlink();
    timer.due_ = now_us_ / 1000 + std::max<std::int64_t>(delay.count(), 0);
    link(timer);
}

// Far ones wait in the last slot before they would wrap around, and are placed again from there.
void Loop::link(Timer& timer) {
    auto due_tick = (timer.due_ + kTick - 1) / kTick;
    auto slots = static_cast<std::int64_t>(kSlots);
    auto tick = std::clamp(due_tick, tick_ + 1, tick_ + slots - 1);
    auto slot = static_cast<std::size_t>(tick % slots);
    used_[slot / 64] |= std::uint64_t{1} << (slot % 64);
    auto& head = wheel_[slot];
    timer.next_ = head;
    timer.previous_ = &head;
    if (head) head->previous_ = &timer.next_;
    head = &timer;
}

void Loop::expire() {
    auto now = now_tick();
    while (tick_ < now) {
        // After a long sleep of the machine every slot is due once; no need to count the turns.
        if (now - tick_ > static_cast<std::int64_t>(kSlots))
            tick_ = now - static_cast<std::int64_t>(kSlots);
        ++tick_;
        auto& head = wheel_[static_cast<std::size_t>(tick_ % static_cast<std::int64_t>(kSlots))];
        // Whatever is armed meanwhile lands in other slots: link() never uses the present one.
        while (auto* timer = head) {
            timer->unlink();
            if (timer->due_ > now_us_ / 1000)
                link(*timer);
            else
                timer->on_expired();
        }
    }
}

// The first tick after the present one whose slot holds a timer; -1: none.
std::int64_t Loop::next_used_tick() const {
    auto first = static_cast<std::size_t>(tick_ + 1) % kSlots;
    for (std::size_t step = 0; step <= used_.size();) {
        auto word = (first / 64 + step) % used_.size();
        auto bits = used_[word];
        if (step == 0) bits &= ~std::uint64_t{0} << (first % 64);
        if (bits == 0) {
            ++step;
            continue;
        }
        auto slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        if (wheel_[slot])
            return tick_ + 1 + static_cast<std::int64_t>((slot + kSlots - first) % kSlots);
        used_[word] &= ~(std::uint64_t{1} << (slot % 64));
    }
    return -1;
}

int Loop::wait_time() const {
    if (!ready_.empty()) return 0;
    auto tick = next_used_tick();
    if (tick < 0) return -1;
    return static_cast<int>(std::max<std::int64_t>(tick * kTick - now_us_ / 1000, 0));
}

void Loop::resume_ready() {
    if (ready_.empty()) return;
    std::swap(ready_, resuming_);
    for (auto flow : resuming_)
        flow.resume();
    resuming_.clear();
}

void Loop::expire_all() {
    for (auto& head : wheel_)
        while (auto* timer = head) {
            timer->unlink();
            timer->on_expired();
        }
    while (!ready_.empty())
        resume_ready();
}

void Loop::run() {
    while (!stopping_) {
        event_count_ = ::epoll_wait(epoll_.get(), events_.data(), kEvents, wait_time());
        read_clock();
        for (event_at_ = 0; event_at_ < event_count_;) {
            auto event = events_[static_cast<std::size_t>(event_at_++)];
            if (event.data.ptr) static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
        }
        event_count_ = 0;
        expire();
        resume_ready();
    }
}

}  // namespace belay::proxy
