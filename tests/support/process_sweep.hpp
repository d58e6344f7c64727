// Nothing that a test starts outlives it, however it ends: all of it stays below the test's process
// and is killed.
#pragma once

#include <belay/sys/identity.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace belay::test {

class ProcessSweep {
  public:
    ProcessSweep() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
    ProcessSweep(const ProcessSweep&) = delete;
    ProcessSweep& operator=(const ProcessSweep&) = delete;
    ~ProcessSweep() { sweep(); }

    static void sweep() {
        auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (std::chrono::steady_clock::now() < deadline) {
            for (auto pid : sys::descendants(::getpid()))
                ::kill(pid, SIGKILL);
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            if (::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
};

}  // namespace belay::test
