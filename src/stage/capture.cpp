#include "capture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <unistd.h>

namespace belay::stage {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 256 << 10;
// How much is read before timers and cancellation have their turn.
constexpr int kReadsInRow = 16;
// A command that writes line by line would wake us for each: its pipe is left to fill a little.
constexpr Millis kBatch{2};
constexpr std::size_t kFewBytes = 64 << 10;

}  // namespace

Capture::Capture(asio::any_io_executor loop, async::Timers& timers, sys::UniqueFd pipe, LogFile log,
                 Masker masker, std::function<void()> on_failure)
    : timers_(timers),
      pipe_(loop, pipe.release()),
      log_(std::move(log)),
      masker_(std::move(masker)),
      on_failure_(std::move(on_failure)),
      buffer_(kReadBytes),
      last_output_(timers.steady_now()) {
    pipe_.non_blocking(true);
}

Task<void> Capture::run() {
    async::SteadyTime before{};
    while (true) {
        auto [failure] = co_await pipe_.async_wait(asio::posix::stream_descriptor::wait_read,
                                                   asio::as_tuple(asio::use_awaitable));
        if (failure || !pipe_.is_open() || !read_some()) break;
        last_output_ = timers_.steady_now();
        bool in_bits = last_read_ < kFewBytes && last_output_ - before < kBatch;
        before = last_output_;
        if (in_bits) co_await timers_.sleep(kBatch);
    }
    ended_.set();
}

void Capture::stop() {
    boost::system::error_code ignored;
    pipe_.close(ignored);
}

// False at the end.
bool Capture::read_some() {
    last_read_ = 0;
    for (int i = 0; i < kReadsInRow; ++i) {
        auto got = ::read(pipe_.native_handle(), buffer_.data(), buffer_.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno == EAGAIN;
        if (got == 0) return false;
        last_read_ += static_cast<std::size_t>(got);
        take({buffer_.data(), static_cast<std::size_t>(got)});
    }
    return true;
}

void Capture::take(std::string_view bytes) {
    check(masker_.empty() ? log_.write(bytes) : log_.write(masker_.feed(bytes)));
}

void Capture::check(const Result<void>& done) {
    if (done || failure_) return;
    failure_ = done.error();
    on_failure_();
}

void Capture::note(std::string_view line) {
    take(line);
}

const LogFile& Capture::finish() {
    check(log_.write(masker_.flush()));
    check(log_.finish());
    return log_;
}

}  // namespace belay::stage
