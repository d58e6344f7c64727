#include "stream.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <utility>

namespace belay::proxy {

Stream::Stream(Loop& loop, Fd socket, bool connecting)
    : loop_(loop), socket_(std::move(socket)), writable_(!connecting) {
    loop_.watch(socket_.get(), *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

Stream::~Stream() {
    if (gone_) *gone_ = true;
    loop_.forget(socket_.get(), *this);
}

void Stream::Operation::suspend(Operation*& place, std::coroutine_handle<> flow) {
    flow_ = flow;
    place_ = &place;
    place = this;
    if (timeout_ != kForever) stream_.loop_.arm(*this, timeout_);
}

void Stream::Operation::finish(IoResult result) {
    result_ = result;
    *place_ = nullptr;
    stream_.loop_.disarm(*this);
    flow_.resume();
}

bool Stream::Read::attempt() {
    if (stream_.canceled_) {
        result_ = {Io::interrupted, 0};
        return true;
    }
    if (!stream_.readable_) return false;
    if (!data_) {
        result_ = {Io::ok, 0};
        return true;
    }
    ssize_t bytes = 0;
    do
        bytes = ::recv(stream_.socket_.get(), data_, size_, 0);
    while (bytes < 0 && errno == EINTR);
    if (bytes > 0) {
        auto got = static_cast<std::size_t>(bytes);
        stream_.unanswered_ = true;
        if (got < size_ && !stream_.ending_) stream_.readable_ = false;
        result_ = {Io::ok, got};
        return true;
    }
    if (bytes < 0 && errno == EAGAIN) {
        stream_.readable_ = false;
        return false;
    }
    result_ = {bytes == 0 ? Io::eof : Io::failed, 0};
    return true;
}

Stream::Write::Write(Stream& stream, std::array<std::string_view, 3> pieces, Millis timeout)
    : Operation(stream, timeout) {
    std::size_t count = 0;
    for (auto piece : pieces)
        if (!piece.empty()) pieces_[count++] = {const_cast<char*>(piece.data()), piece.size()};
}

void Stream::Write::advance(std::size_t bytes) {
    result_.bytes += bytes;
    while (at_ < pieces_.size() && bytes >= pieces_[at_].iov_len) {
        bytes -= pieces_[at_].iov_len;
        ++at_;
    }
    if (at_ < pieces_.size()) {
        pieces_[at_].iov_base = static_cast<char*>(pieces_[at_].iov_base) + bytes;
        pieces_[at_].iov_len -= bytes;
    }
}

bool Stream::Write::attempt() {
    bool progress = false;
    while (at_ < pieces_.size() && pieces_[at_].iov_len > 0) {
        if (stream_.canceled_) {
            result_.status = Io::interrupted;
            return true;
        }
        if (!stream_.writable_) break;
        msghdr message{};
        message.msg_iov = &pieces_[at_];
        message.msg_iovlen = pieces_.size() - at_;
        auto bytes = ::sendmsg(stream_.socket_.get(), &message, MSG_NOSIGNAL);
        if (bytes >= 0) {
            advance(static_cast<std::size_t>(bytes));
            progress = true;
            stream_.unanswered_ = false;
        } else if (errno == EAGAIN) {
            stream_.writable_ = false;
        } else if (errno != EINTR) {
            result_.status = Io::failed;
            return true;
        }
    }
    if (at_ >= pieces_.size() || pieces_[at_].iov_len == 0) return true;
    if (progress && armed()) stream_.loop_.arm(*this, timeout_);
    return false;
}

bool Stream::Connect::attempt() {
    if (stream_.canceled_) {
        result_.status = Io::interrupted;
        return true;
    }
    if (!stream_.writable_ && !stream_.broken_) return false;
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(stream_.socket_.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    result_.status = failure == 0 && !stream_.broken_ ? Io::ok : Io::failed;
    return true;
}

// A peer that writes a head and then a body may hold the body back until it knows that the head
// came (Nagle), and the kernel tells it only after 40 ms where nothing is sent back meanwhile (RFC
// 1122 section 4.2.3.2; tcp(7)).
void Stream::acknowledge() {
    if (!std::exchange(unanswered_, false)) return;
    int on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void Stream::on_events(std::uint32_t events) {
    bool gone = false;
    gone_ = &gone;
    if (events & (EPOLLERR | EPOLLHUP)) broken_ = true;
    if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) ending_ = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) readable_ = true;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) writable_ = true;
    if (readable_ && reader_ && reader_->attempt()) reader_->finish(reader_->result_);
    if (gone) return;
    if (writable_ && writer_ && writer_->attempt()) writer_->finish(writer_->result_);
    if (gone) return;
    if (readable_ && !reader_ && observer_) observer_->on_unread(*this);
    if (gone) return;
    gone_ = nullptr;
}

void Stream::read_within(Millis timeout) {
    if (!reader_) return;
    if (timeout == kForever)
        loop_.disarm(*reader_);
    else
        loop_.arm(*reader_, timeout);
}

void Stream::interrupt_read() {
    if (reader_) reader_->finish({Io::interrupted, 0});
}

void Stream::interrupt_write() {
    if (writer_) writer_->finish({Io::interrupted, writer_->result_.bytes});
}

void Stream::cancel() {
    canceled_ = broken_ = true;
    bool gone = false;
    auto* outer = std::exchange(gone_, &gone);
    interrupt_read();
    if (!gone) interrupt_write();
    if (!gone && observer_) observer_->on_unread(*this);
    if (gone) {
        if (outer) *outer = true;
    } else {
        gone_ = outer;
    }
}

bool Stream::quiet(bool ask) const {
    if (readable_ || broken_ || canceled_) return false;
    if (!ask) return true;
    char byte = 0;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

}  // namespace belay::proxy
