// A connection to a kept shim's control socket: requests answered in order, events in between.
#pragma once

#include "line_channel.hpp"

#include <belay/async/event.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/error.hpp>

#include <deque>
#include <optional>
#include <vector>

namespace belay::sys {

// Loop thread only.
class ServiceLink : public std::enable_shared_from_this<ServiceLink> {
  public:
    // `on_event` gets every line that answers nothing. Errors as connect_unix_at.
    static Result<std::shared_ptr<ServiceLink>> connect(
        const boost::asio::any_io_executor& executor, async::Timers& timers, int directory,
        std::function<void(std::string_view)> on_event, std::function<void()> on_close);
    ServiceLink(async::Timers& timers, std::function<void(std::string_view)> on_event,
                std::function<void()> on_close);

    // What follows "ok ". Errc::conflict with the shim's words for "error"; Errc::unavailable where
    // the shim is gone or says nothing for some seconds, which closes the link.
    Task<Result<std::string>> request(std::string line, std::vector<int> fds = {});
    void read_now() { channel_->read_now(); }
    void close();
    bool is_open() const { return channel_->is_open(); }

  private:
    struct Pending {
        async::Event done;
        std::string more;
        std::optional<Result<std::string>> answer;
    };

    void take(std::string_view line);
    void answer(Result<std::string> answer);
    void lose();

    async::Timers& timers_;
    std::shared_ptr<LineChannel> channel_;
    std::function<void(std::string_view)> on_event_;
    std::function<void()> on_close_;
    std::deque<std::shared_ptr<Pending>> pending_;
};

}  // namespace belay::sys
