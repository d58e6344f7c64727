// From the command's pipe to its log: masked, capped, and never slower than the command.
#pragma once

#include "log_file.hpp"

#include <belay/async/timers.hpp>
#include <belay/base/masker.hpp>
#include <belay/sys/unique_fd.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <optional>
#include <vector>

namespace belay::stage {

class Capture {
  public:
    // `on_failure` is called once, when the log can't be written (Errc::disk_full and others).
    Capture(boost::asio::any_io_executor loop, async::Timers& timers, sys::UniqueFd pipe,
            LogFile log, Masker masker, std::function<void()> on_failure);

    // Reads until the pipe's last writer is gone, or stop().
    Task<void> run();
    void stop();

    async::Event& ended() { return ended_; }
    async::SteadyTime last_output() const { return last_output_; }
    const std::optional<Error>& failure() const { return failure_; }
    // A line of our own.
    void note(std::string_view line);
    // Writes what was held back; afterwards the log can be asked.
    const LogFile& finish();

  private:
    bool read_some();
    void take(std::string_view bytes);
    void check(const Result<void>& done);

    async::Timers& timers_;
    boost::asio::posix::stream_descriptor pipe_;
    LogFile log_;
    Masker masker_;
    std::function<void()> on_failure_;
    std::vector<char> buffer_;
    std::size_t last_read_ = 0;  // bytes of the last turn
    async::SteadyTime last_output_;
    std::optional<Error> failure_;
    async::Event ended_;
};

}  // namespace belay::stage
