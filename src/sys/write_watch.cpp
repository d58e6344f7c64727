#include <belay/sys/unique_fd.hpp>
#include <belay/sys/write_watch.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <cstring>
#include <map>
#include <sys/inotify.h>
#include <unistd.h>

namespace belay::sys {

// Lives on until its last wait has returned.
struct WriteWatch::Queue : std::enable_shared_from_this<Queue> {
    Queue(const boost::asio::any_io_executor& executor, UniqueFd fd)
        : descriptor(executor, fd.release()) {}

    void wait();
    bool read();
    void take(const inotify_event& event);

    boost::asio::posix::stream_descriptor descriptor;
    std::function<void(const path&)> on_written;
    std::function<void()> on_created;
    std::map<int, path> watched;
};

void WriteWatch::Queue::wait() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](boost::system::error_code failure) {
                              if (failure || !self->descriptor.is_open()) return;
                              while (self->descriptor.is_open() && self->read()) {
                              }
                              if (self->descriptor.is_open()) self->wait();
                          });
}

bool WriteWatch::Queue::read() {
    alignas(inotify_event) char buffer[8192];
    const auto got = ::read(descriptor.native_handle(), buffer, sizeof buffer);
    if (got <= 0) return got < 0 && errno == EINTR;
    for (const char* at = buffer; at < buffer + got && descriptor.is_open();) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        take(*event);
        at += sizeof *event + event->len;
    }
    return true;
}

void WriteWatch::Queue::take(const inotify_event& event) {
    if (event.mask & IN_Q_OVERFLOW) return on_created();
    const auto at = watched.find(event.wd);
    if (at == watched.end()) return;
    const auto what = at->second;
    if (event.mask & IN_IGNORED) watched.erase(at);
    if (event.mask & IN_MODIFY) on_written(what);
    if (event.mask & (IN_CREATE | IN_MOVED_TO)) on_created();
}

Result<std::unique_ptr<WriteWatch>> WriteWatch::open(const boost::asio::any_io_executor& executor,
                                                     std::function<void(const path&)> on_written,
                                                     std::function<void()> on_created) {
    UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd) {
        const int why = errno;
        auto failed = errno_error(why, "watching files");
        if (why == EMFILE) failed.code = Errc::limit;
        return failed;
    }
    auto queue = std::make_shared<Queue>(executor, std::move(fd));
    queue->on_written = std::move(on_written);
    queue->on_created = std::move(on_created);
    queue->wait();
    return std::unique_ptr<WriteWatch>(new WriteWatch(std::move(queue)));
}

WriteWatch::WriteWatch(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}

WriteWatch::~WriteWatch() {
    boost::system::error_code ignored;
    queue_->descriptor.close(ignored);
}

Result<void> WriteWatch::await_write(const path& file) {
    return add(file, IN_MODIFY | IN_ONESHOT);
}

Result<void> WriteWatch::watch_directory(const path& directory) {
    return add(directory, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

Result<void> WriteWatch::add(const path& what, std::uint32_t events) {
    const int id = ::inotify_add_watch(queue_->descriptor.native_handle(), what.c_str(),
                                       events | IN_DONT_FOLLOW);
    if (id < 0) {
        const int why = errno;
        auto failed = errno_error(why, "watching " + what.string());
        if (why == ENOSPC) failed.code = Errc::limit;
        return failed;
    }
    queue_->watched[id] = what;
    return {};
}

}  // namespace belay::sys
