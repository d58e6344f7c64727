#include "child_run.hpp"

#include <belay/async/timers.hpp>
#include <belay/sys/child.hpp>
#include <belay/sys/files.hpp>

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::git {
namespace {

// The child ends by itself in time; this is for one that can't.
constexpr Millis kGrace{2'000};
constexpr std::uint64_t kResultMax = std::uint64_t{64} << 20U;

// Memory instead of pipes: neither side ever waits for the other.
Outcome<sys::UniqueFd> make_memory(const std::string& content) {
    sys::UniqueFd fd(::memfd_create("belay-stage", MFD_CLOEXEC));
    if (!fd) return errno_failed(errno, "making a descriptor for the git helper");
    std::string_view rest = content;
    while (!rest.empty()) {
        auto wrote = ::write(fd.get(), rest.data(), rest.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return errno_failed(errno, "handing the job to the git helper");
        rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

std::string read_memory(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) < 0 || static_cast<std::uint64_t>(status.st_size) > kResultMax)
        return {};
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    auto got = ::pread(fd, text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

Outcome<sys::UniqueFd> open_log(const std::filesystem::path& log) {
    if (log.empty()) return sys::UniqueFd();
    auto fd = sys::open_file(log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
    if (fd) return std::move(*fd);
    auto reason =
        fd.error().code == Errc::disk_full ? SourceReason::disk_full : SourceReason::internal;
    return failed(reason, fd.error().message);
}

sys::Program program_of(const ChildRun& run) {
    sys::Program program;
    program.argv = {run.options.belay.string(), "stage", run.operation};
    program.env = {
        {"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}, {"HOME", "/nonexistent"}};
    program.umask = run.umask;
    program.stop.timeout = Seconds{1};
    if (run.child.user) {
        program.user = User{run.child.user->uid, run.child.user->gid, run.child.user->groups};
    }
    return program;
}

// Where the machine has no process, memory or descriptor left, that is not Belay's fault.
SourceReason reason_of_start(const Error& error) {
    return error.code == Errc::limit ? SourceReason::fetch_failed : SourceReason::internal;
}

// What its end means where it left no result.
Failure without_result(const ChildRun& run, const Exit& exit, bool timed_out, bool canceled) {
    if (canceled)
        return failed(SourceReason::canceled, fmt::format("{} was canceled", run.operation));
    if (timed_out) {
        return failed_for_now(SourceReason::fetch_timeout,
                              fmt::format("{} was not done within {}", run.operation,
                                          format_duration(run.child.timeout)));
    }
    return failed_for_now(
        SourceReason::internal,
        fmt::format("the git helper ({}) {} without a result", run.operation, describe(exit)));
}

}  // namespace

Task<Outcome<std::string>> run_child(ChildRun run, async::Cancel cancel) {
    if (cancel.requested())
        co_return failed(SourceReason::canceled, fmt::format("{} was canceled", run.operation));
    auto job = make_memory(run.job);
    if (!job) co_return job.error();
    auto result = make_memory("");
    if (!result) co_return result.error();
    auto log = open_log(run.child.log);
    if (!log) co_return log.error();
    sys::ChildSpec spec;
    spec.program = program_of(run);
    // In the order of kJobDescriptor and kResultDescriptor.
    spec.program.listeners.push_back({job->get(), "job"});
    spec.program.listeners.push_back({result->get(), "result"});
    spec.out = log->get();
    spec.err = log->get();
    auto shim = run.options.shim.string();
    auto child = co_await sys::Child::start(run.executor, shim, std::move(spec));
    if (!child) co_return failed_for_now(reason_of_start(child.error()), child.error().message);
    if (auto gone = co_await child->go(); !gone)
        co_return failed_for_now(reason_of_start(gone.error()), gone.error().message);
    job->reset();
    bool timed_out = false;
    auto timers = async::make_timers(run.executor);
    auto deadline = timers->after(run.child.timeout + kGrace, [&] {
        timed_out = true;
        child->kill();
    });
    auto canceling = cancel.on_request([&] { child->stop(); });
    auto exit = co_await child->wait();
    auto text = read_memory(result->get());
    if (text.empty() || cancel.requested()) {
        co_return without_result(run, exit, timed_out, cancel.requested());
    }
    co_return text;
}

}  // namespace belay::git
