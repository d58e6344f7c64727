#include "control_connection.hpp"

#include "json_body.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace belay::proxy {
namespace {

using nlohmann::json;

constexpr std::size_t kLineMax = 1024 * 1024;
constexpr std::size_t kOutMax = 16 * 1024 * 1024;
constexpr std::size_t kPassedMax = 32;

void collect(const msghdr& message, std::vector<Fd>& into) {
    for (auto* part = CMSG_FIRSTHDR(&message); part;
         part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
            into.emplace_back(fd);
        }
    }
}

}  // namespace

Flow<> ControlConnection::serve(std::shared_ptr<ControlConnection> self) {
    for (;;) {
        auto ready = co_await stream_.readable(kForever);
        if (ready.status != Io::ok || !receive() || !take_lines()) break;
    }
    stream_.cancel();
    server_.connections_.erase(self);
}

// False: the other end is gone.
bool ControlConnection::receive() {
    char bytes[16384];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kPassedMax)];
    iovec piece{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    auto got = ::recvmsg(stream_.fd(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) return false;
        stream_.drained();
        return true;
    }
    if (got == 0) return false;
    collect(message, passed_);
    in_.append(bytes, static_cast<std::size_t>(got));
    return true;
}

bool ControlConnection::take_lines() {
    for (;;) {
        auto end = in_.find('\n');
        if (end == std::string::npos) return in_.size() < kLineMax;
        auto line = in_.substr(0, end);
        in_.erase(0, end + 1);
        take_line(line);
    }
}

void ControlConnection::take_line(std::string_view line) {
    auto request = json::parse(line, nullptr, false);
    auto id = request.is_object() ? request.value("id", json()) : json();
    auto reply = [self = shared_from_this(), id](Result<JsonBody> result) {
        if (result)
            self->send({{"id", id}, {"ok", result->json}});
        else
            self->send({{"id", id},
                        {"error",
                         {{"code", to_string(result.error().code)},
                          {"message", result.error().message}}}});
    };
    if (request.is_object())
        server_.perform(request, passed_, reply);
    else
        reply(Error{Errc::invalid, "a line is no JSON object"});
    passed_.clear();
}

void ControlConnection::send(const json& message) {
    out_ += message.dump(-1, ' ', false, json::error_handler_t::replace);
    out_ += '\n';
    if (out_.size() > kOutMax)
        stream_.cancel();
    else if (!writing_)
        write_out(shared_from_this()).start();
}

Flow<> ControlConnection::write_out(std::shared_ptr<ControlConnection>) {
    writing_ = true;
    while (!out_.empty()) {
        auto piece = std::exchange(out_, {});
        auto sent = co_await stream_.write(piece, Millis{10'000});
        if (sent.status != Io::ok) {
            out_.clear();
            stream_.cancel();
        }
    }
    writing_ = false;
}

}  // namespace belay::proxy
