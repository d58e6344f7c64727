// One thread, one epoll: readiness, coarse timers, nothing else. The data plane has its own loop
// because a request then costs two reads, two writes and a share of epoll_wait; through Asio's
// reactor every wait is tried by a read that fails first, and every deadline is a timer of its own.
#pragma once

#include "fd.hpp"

#include <belay/base/time.hpp>

#include <array>
#include <coroutine>
#include <cstdint>
#include <sys/epoll.h>
#include <vector>

namespace belay::proxy {

// Told what epoll saw on its descriptor. May be destroyed in any callback after Loop::forget().
class Watcher {
  public:
    virtual void on_events(std::uint32_t events) = 0;

    virtual ~Watcher() = default;
};

// A deadline in somebody's object; leaves the wheel when it goes.
class Timer {
  public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer() { unlink(); }

    bool armed() const { return previous_ != nullptr; }

  protected:
    virtual void on_expired() = 0;

  private:
    friend class Loop;
    void unlink();

    Timer** previous_ = nullptr;
    Timer* next_ = nullptr;
    std::int64_t due_ = 0;
};

class Loop {
  public:
    Loop();

    // Returns after stop().
    void run();
    void stop() { stopping_ = true; }
    bool stopping() const { return stopping_; }
    // After run(): every timer fires, however far; sleeps no longer wait. Flows that wait for a
    // deadline end by it.
    void expire_all();

    // `events` as for epoll_ctl(2). Throws ErrorException (ENOSPC, ENOMEM).
    void watch(int fd, Watcher& watcher, std::uint32_t events);
    void change(int fd, Watcher& watcher, std::uint32_t events);
    // Before the descriptor is closed; also drops what is still to be told in this turn.
    void forget(int fd, Watcher& watcher);

    // Fires once, up to kTick late. Arming again moves it.
    void arm(Timer& timer, Millis delay);
    void disarm(Timer& timer) { timer.unlink(); }

    // Resumes after the events of this turn: for whoever has run long enough.
    void later(std::coroutine_handle<> flow) { ready_.push_back(flow); }

    // CLOCK_MONOTONIC at the start of this turn.
    std::int64_t now_us() const { return now_us_; }

  private:
    static constexpr std::int64_t kTick = 32;  // ms
    static constexpr std::size_t kSlots = 1024;
    static constexpr std::size_t kEvents = 128;

    void read_clock();
    std::int64_t now_tick() const { return now_us_ / 1000 / kTick; }
    int wait_time() const;
    std::int64_t next_used_tick() const;
    void link(Timer& timer);
    void expire();
    void resume_ready();

    Fd epoll_;
    bool stopping_ = false;
    std::int64_t now_us_ = 0;
    std::int64_t tick_ = 0;  // all slots before it are done
    std::array<Timer*, kSlots> wheel_{};
    // Which slots may hold a timer; bits of emptied ones are cleared when they are next looked at.
    mutable std::array<std::uint64_t, kSlots / 64> used_{};
    std::array<epoll_event, kEvents> events_{};
    int event_count_ = 0;
    int event_at_ = 0;
    std::vector<std::coroutine_handle<>> ready_;
    std::vector<std::coroutine_handle<>> resuming_;
};

// co_await Yield(loop): lets the others run.
class Yield {
  public:
    explicit Yield(Loop& loop) : loop_(&loop) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> flow) { loop_->later(flow); }
    void await_resume() const {}

  private:
    Loop* loop_;
};

// co_await Sleep(loop, delay)
class Sleep final : Timer {
  public:
    Sleep(Loop& loop, Millis delay) : loop_(&loop), delay_(delay) {}
    bool await_ready() const { return delay_.count() <= 0 || loop_->stopping(); }
    void await_suspend(std::coroutine_handle<> flow) {
        flow_ = flow;
        loop_->arm(*this, delay_);
    }
    void await_resume() const {}

  private:
    void on_expired() override { flow_.resume(); }

    Loop* loop_;
    Millis delay_;
    std::coroutine_handle<> flow_;
};

}  // namespace belay::proxy
