#include "failure.hpp"

#include <belay/git/repository_url.hpp>

#include <git2.h>

#include <cerrno>
#include <unistd.h>

namespace belay::git {
namespace {

bool is_full(std::string_view message) {
    return message.find("No space left on device") != std::string_view::npos ||
           message.find("Disk quota exceeded") != std::string_view::npos;
}

}  // namespace

void throw_exception_from_error(const Failure& failure, const boost::source_location&) {
    throw ErrorException(Error{Errc::internal, failure.error.message});
}

Failure failed(SourceReason reason, std::string message) {
    return Failure{ports::SourceError{reason, std::move(message), false}, false};
}

Failure failed_for_now(SourceReason reason, std::string message) {
    return Failure{ports::SourceError{reason, std::move(message), true}, false};
}

Failure damaged(std::string what) {
    auto failure = failed_for_now(
        SourceReason::fetch_failed,
        fmt::format("the mirror is damaged ({}); the next fetch makes it anew", what));
    failure.damaged = true;
    return failure;
}

std::string git_message() {
    const auto* error = git_error_last();
    if (error == nullptr || error->message == nullptr) return "unknown error of libgit2";
    return shown(scrub_credentials(error->message));
}

Failure git_failed(SourceReason reason, std::string_view what) {
    auto message = fmt::format("{}: {}", what, git_message());
    if (is_full(message)) return failed_for_now(SourceReason::disk_full, message);
    return failed(reason, message);
}

Failure errno_failed(int error_number, std::string_view what) {
    bool full = error_number == ENOSPC || error_number == EDQUOT;
    return Failure{ports::SourceError{full ? SourceReason::disk_full : SourceReason::internal,
                                      errno_error(error_number, what).message, full},
                   false};
}

void say(std::string_view line) {
    auto text = shown(scrub_credentials(line)) + "\n";
    std::string_view rest = text;
    while (!rest.empty()) {
        auto written = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string shown(std::string_view text) {
    std::string out;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.remove_suffix(1);
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out.push_back(c);
        }
    }
    return out;
}

}  // namespace belay::git
