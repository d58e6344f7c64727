#include "watchdog.hpp"

#include "connection.hpp"
#include "failure.hpp"
#include "order.hpp"

#include <cerrno>
#include <csignal>
#include <thread>
#include <unistd.h>

namespace belay::git {
namespace {

std::string what_it_waited_for(const Progress& progress) {
    switch (progress.phase) {
        case Phase::waiting_for_lock:
            return "another job on this mirror didn't end";
        case Phase::connecting:
            return "the server did not answer";
        case Phase::negotiating:
            return "the server listed its branches and then fell silent";
        case Phase::receiving:
            return fmt::format("the server had sent {} of {} objects, {}", progress.objects.load(),
                               progress.objects_total.load(), format_size(progress.bytes));
        case Phase::importing:
            return "still copying objects";
        case Phase::resolving:
            return "still resolving the commit";
        case Phase::writing:
            return "still writing files";
    }
    return {};
}

void on_termination(int) {
    remove_temporary_home();
    ::_exit(128 + SIGTERM);
}

}  // namespace

bool ResultChannel::write(std::string_view text) {
    if (written_.exchange(true)) return false;
    while (!text.empty()) {
        auto wrote = ::write(fd_, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
}

void end_after(Millis timeout, std::string subject, const Progress& progress,
               ResultChannel& channel) {
    std::thread([timeout, subject = std::move(subject), &progress, &channel] {
        std::this_thread::sleep_for(timeout);
        auto message = fmt::format("{}: not done within {}: {}", subject, format_duration(timeout),
                                   what_it_waited_for(progress));
        bool told =
            channel.write(encode_failure(failed_for_now(SourceReason::fetch_timeout, message)));
        if (!told) return;
        say(message);
        remove_temporary_home();
        // Not exit(): the other thread is in the middle of something.
        ::_exit(0);
    }).detach();
}

void tidy_on_termination() {
    std::signal(SIGTERM, on_termination);
}

}  // namespace belay::git
