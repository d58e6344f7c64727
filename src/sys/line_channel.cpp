#include "line_channel.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace belay::sys {

namespace {

constexpr std::size_t kLongestLine = 4096;  // far more than a shim ever sends
constexpr std::size_t kMostFds = 64;

}  // namespace

LineChannel::LineChannel(const boost::asio::any_io_executor& executor, UniqueFd socket)
    : socket_(executor, socket.release()) {}

void LineChannel::start(std::function<void(std::string_view)> on_line,
                        std::function<void()> on_close) {
    on_line_ = std::move(on_line);
    on_close_ = std::move(on_close);
    wait();
}

void LineChannel::wait() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](boost::system::error_code failure) {
                           if (failure || !self->open_) return;
                           self->read_now();
                           if (self->open_) self->wait();
                       });
}

void LineChannel::read_now() {
    auto keep = shared_from_this();
    while (open_) {
        char buffer[1024];
        auto got = ::recv(socket_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return end();
        input_.append(buffer, static_cast<std::size_t>(got));
        for (auto at = input_.find('\n'); open_ && at != std::string::npos;
             at = input_.find('\n')) {
            auto line = input_.substr(0, at);
            input_.erase(0, at + 1);
            on_line_(line);
        }
        if (open_ && input_.size() > kLongestLine) return end();
    }
}

void LineChannel::end() {
    close();
    if (on_close_) on_close_();
}

void LineChannel::close() {
    if (!open_) return;
    open_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
}

bool LineChannel::send(std::string_view line, std::span<const int> fds) {
    if (!open_ || fds.size() > kMostFds) return false;
    std::string text(line);
    text += '\n';
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int) * kMostFds)] = {};
    if (!fds.empty()) {
        message.msg_control = ancillary;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == static_cast<ssize_t>(text.size());
}

}  // namespace belay::sys
