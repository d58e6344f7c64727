// Ctrl-C as a fact to be asked for, while something is followed.
#pragma once

#include <csignal>

namespace belay::cli {

// While one is alive SIGINT only ends waiting calls (poll gives EINTR). One at a time.
class InterruptGuard {
  public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    bool interrupted() const;

  private:
    struct sigaction previous_{};
};

// As a shell gives it for a process that SIGINT ended.
inline constexpr int kInterrupted = 130;

}  // namespace belay::cli
