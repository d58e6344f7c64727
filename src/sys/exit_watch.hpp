// Tells when a process has ended, and reaps it if it is our child.
#pragma once

#include <belay/sys/unique_fd.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>

namespace belay::sys {

// Loop thread only. Lives on until the process has ended, whoever holds it, unless cancelled.
class ExitWatch : public std::enable_shared_from_this<ExitWatch> {
  public:
    static std::shared_ptr<ExitWatch> start(const boost::asio::any_io_executor& executor,
                                            const UniqueFd& pidfd, std::function<void()> on_end);
    ExitWatch(const boost::asio::any_io_executor& executor, UniqueFd pidfd);
    void cancel();

  private:
    void wait();

    boost::asio::posix::stream_descriptor pidfd_;
    std::function<void()> on_end_;
};

}  // namespace belay::sys
