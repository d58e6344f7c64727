// Lines in both directions over a stream socket, as a shim speaks them.
#pragma once

#include <belay/sys/unique_fd.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace belay::sys {

// Loop thread only. Callbacks must not own the channel; they may close it.
class LineChannel : public std::enable_shared_from_this<LineChannel> {
  public:
    LineChannel(const boost::asio::any_io_executor& executor, UniqueFd socket);

    void start(std::function<void(std::string_view)> on_line, std::function<void()> on_close);
    // False where it can't be sent at once: the other side is gone, or reads nothing.
    bool send(std::string_view line, std::span<const int> fds = {});
    // Takes what has come without waiting.
    void read_now();
    // No callback comes after it.
    void close();
    bool is_open() const { return open_; }

  private:
    void wait();
    void end();

    boost::asio::posix::stream_descriptor socket_;
    std::function<void(std::string_view)> on_line_;
    std::function<void()> on_close_;
    std::string input_;
    bool open_ = true;
};

}  // namespace belay::sys
