#include "exit_watch.hpp"

#include <fcntl.h>
#include <sys/wait.h>

namespace belay::sys {

ExitWatch::ExitWatch(const boost::asio::any_io_executor& executor, UniqueFd pidfd)
    : pidfd_(executor, pidfd.release()) {}

std::shared_ptr<ExitWatch> ExitWatch::start(const boost::asio::any_io_executor& executor,
                                            const UniqueFd& pidfd, std::function<void()> on_end) {
    UniqueFd own(::fcntl(pidfd.get(), F_DUPFD_CLOEXEC, 0));
    auto watch = std::make_shared<ExitWatch>(executor, std::move(own));
    watch->on_end_ = std::move(on_end);
    watch->wait();
    return watch;
}

void ExitWatch::wait() {
    pidfd_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](boost::system::error_code failure) {
                          if (failure || !self->pidfd_.is_open()) return;
                          siginfo_t info{};
                          // ECHILD where it isn't ours: an earlier daemon's.
                          ::waitid(P_PIDFD, static_cast<id_t>(self->pidfd_.native_handle()), &info,
                                   WEXITED | WNOHANG);
                          self->pidfd_.close();
                          if (auto on_end = std::exchange(self->on_end_, nullptr)) on_end();
                      });
}

void ExitWatch::cancel() {
    on_end_ = nullptr;
    boost::system::error_code ignored;
    pidfd_.close(ignored);
}

}  // namespace belay::sys
