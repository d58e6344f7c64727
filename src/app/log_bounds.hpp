// Keeps what apps and stages print within bounds, while it is being printed.
#pragma once

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/time.hpp>
#include <belay/sys/write_watch.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace belay::app {

struct LogLimits {
    std::uint64_t cap = std::uint64_t{64} << 20;   // bytes on disk: above it the head is freed
    std::uint64_t kept = std::uint64_t{32} << 20;  // bytes of the end that stay
    Millis first_look{100};  // after a write to a log that was at rest, to see at what pace it goes
    Millis shortest{10};     // between two looks
    Millis longest{1'000};   // between two looks while it grows
};

// Frees the head of every app log (logs/APP/rN/*.log, and the proxy's) above the cap; offsets stay
// valid. A log at rest is left to the kernel to watch and wakes nobody; one that grows is looked at
// as often as its pace demands. So a log holds at most the cap and what is written in `shortest` at
// a steady pace, or in `longest` where it suddenly writes much faster than before. Loop thread.
class LogBounds {
  public:
    LogBounds(boost::asio::any_io_executor executor, async::Timers& timers,
              const std::string& state, LogLimits limits = {});

    // Looks at all of them, and from then on at those that grow.
    void start() { tasks_.spawn("log bounds", keep_bounded()); }
    Task<void> stop();
    // Since the start; each is a wake-up at most.
    std::uint64_t looks() const { return looks_; }

  private:
    struct Log {
        std::uint64_t size = 0;
        async::SteadyTime looked{};
        async::SteadyTime due{};
        bool growing = true;  // else the next write is told
        bool found = true;
    };

    Task<void> keep_bounded();
    void find_logs();
    void find(const std::string& file);
    Millis look_at_growing();
    bool look(const std::string& file, Log& log);
    bool rest(const std::string& file, Log& log);
    void on_written(const std::string& file);

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    std::string folder_;
    LogLimits limits_;
    async::TaskGroup tasks_;
    async::Cancel ending_;
    async::Event woken_;
    bool created_ = true;  // there may be logs that we don't know
    std::unique_ptr<sys::WriteWatch> watch_;
    std::map<std::string, Log> logs_;
    std::uint64_t looks_ = 0;
};

// Removes directories of logs/APP whose files were all last written longer ago than `keep`; those
// of releases that still are on disk stay, as their processes may hold them open.
void prune_logs(const std::string& state, const std::string& app, Millis keep);

}  // namespace belay::app
