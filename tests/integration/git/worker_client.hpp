// Runs a worker as the daemon would, but for the shim, and waits for its result.
#pragma once

#include "git/order.hpp"
#include "support/git_repository.hpp"

#include <belay/git/worker.hpp>

#include <sys/mman.h>

namespace belay::test {

struct WorkerRun {
    std::string result;
    std::string log;
    int status = 0;
};

struct RunningWorker {
    pid_t pid = -1;
    sys::UniqueFd log;
    sys::UniqueFd result;

    WorkerRun finish() const {
        WorkerRun done;
        done.log = read_all(log.get());
        ::waitpid(pid, &done.status, 0);
        ::lseek(result.get(), 0, SEEK_SET);
        done.result = read_all(result.get());
        return done;
    }
};

inline RunningWorker start_worker(const char* operation, const std::string& job) {
    sys::UniqueFd input(::memfd_create("job", MFD_CLOEXEC));
    sys::UniqueFd output(::memfd_create("result", MFD_CLOEXEC));
    EXPECT_EQ(::write(input.get(), job.data(), job.size()), static_cast<ssize_t>(job.size()));
    ::lseek(input.get(), 0, SEEK_SET);
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    auto pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // Above what is dup'ed to, as one may be in the other's place.
        int in = ::fcntl(input.get(), F_DUPFD, 10);
        int out = ::fcntl(output.get(), F_DUPFD, 10);
        ::dup2(ends[1], 1);
        ::dup2(in, git::kJobDescriptor);
        ::dup2(out, git::kResultDescriptor);
        ::execl(BELAY_STAGE_WORKER, "belay", "stage", operation, nullptr);
        ::_exit(127);
    }
    ::close(ends[1]);
    return {pid, sys::UniqueFd(ends[0]), std::move(output)};
}

inline WorkerRun run_worker(const char* operation, const std::string& job) {
    return start_worker(operation, job).finish();
}

inline git::FetchOrder fetch_order(const std::string& url, const std::filesystem::path& mirror) {
    git::FetchOrder order;
    order.job.access.url = url;
    order.job.access.allow = {"https", "ssh", "git", "http", "file"};
    order.job.mirror = mirror;
    order.job.wanted.branch = "main";
    order.job.child.timeout = std::chrono::seconds(30);
    return order;
}

inline git::Outcome<ports::Fetched> fetch(const git::FetchOrder& order) {
    return git::decode_fetched(run_worker("fetch", git::encode(order)).result);
}

inline git::Outcome<ports::Exported> export_tree(const ports::ExportJob& job) {
    return git::decode_exported(run_worker("export", git::encode(job)).result);
}

inline git::Outcome<std::vector<ports::Tip>> tips(const git::TipsOrder& order) {
    return git::decode_tips(run_worker("tips", git::encode(order)).result);
}

inline git::Outcome<ports::Changes> changes(const ports::ChangesJob& job) {
    return git::decode_changes(run_worker("diff", git::encode(job)).result);
}

template <class T>
::testing::AssertionResult succeeded(const git::Outcome<T>& outcome) {
    if (outcome) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << ports::to_string(outcome.error().error.reason) << ": "
                                         << outcome.error().error.message;
}

// The reason's word and the message, for matchers.
template <class T>
std::string failure_of(const git::Outcome<T>& outcome) {
    if (outcome) return "succeeded";
    return fmt::format("{}: {}", ports::to_string(outcome.error().error.reason),
                       outcome.error().error.message);
}

}  // namespace belay::test
