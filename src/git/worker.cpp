#include "connection.hpp"
#include "export.hpp"
#include "fetch.hpp"
#include "order.hpp"
#include "watchdog.hpp"

#include <belay/git/repository_url.hpp>
#include <belay/git/worker.hpp>

#include <cerrno>
#include <csignal>
#include <string>
#include <unistd.h>

namespace belay::git {
namespace {

constexpr std::size_t kJobMax = std::size_t{16} << 20U;

std::string read_job(int fd) {
    std::string text;
    char buffer[65536];
    while (text.size() < kJobMax) {
        auto got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return text;
}

template <class T>
int finish(ResultChannel& channel, const Outcome<T>& outcome) {
    if (!outcome) say(outcome.error().error.message);
    return channel.write(encode_result(outcome)) ? 0 : 1;
}

template <class Order, class Work>
int run(int job_fd, int result_fd, Result<Order> (*decode)(std::string_view), Work work) {
    std::signal(SIGPIPE, SIG_IGN);
    // The thread that watches the clock outlives this function's frame.
    static Progress progress;
    static ResultChannel channel(result_fd);
    auto order = decode(read_job(job_fd));
    if (!order) {
        auto failure = failed(SourceReason::internal, order.error().message);
        return channel.write(encode_failure(failure)) ? 0 : 1;
    }
    tidy_on_termination();
    return work(*order, progress, channel);
}

std::string ca_of(const FetchOrder& order) {
    return order.material.ca;
}
std::string ca_of(const TipsOrder& order) {
    return order.material.ca;
}
std::string ca_of(const ports::ExportJob&) {
    return {};
}
std::string ca_of(const ports::ChangesJob&) {
    return {};
}

template <class Order, class Work>
auto with_libgit2(const Order& order, Work work) -> decltype(work()) {
    if (auto ready = set_up_libgit2(ca_of(order)); !ready) return ready.error();
    return work();
}

}  // namespace

int run_fetch(int job_fd, int result_fd) {
    auto work = [](const FetchOrder& order, Progress& progress, ResultChannel& channel) {
        end_after(order.job.child.timeout, scrub_credentials(order.job.access.url), progress,
                  channel);
        return finish(channel, with_libgit2(order, [&] { return fetch(order, progress); }));
    };
    return run(job_fd, result_fd, &decode_fetch_order, work);
}

int run_tips(int job_fd, int result_fd) {
    auto work = [](const TipsOrder& order, Progress& progress, ResultChannel& channel) {
        end_after(order.job.child.timeout, scrub_credentials(order.job.access.url), progress,
                  channel);
        return finish(channel, with_libgit2(order, [&] { return list_tips(order, progress); }));
    };
    return run(job_fd, result_fd, &decode_tips_order, work);
}

int run_export(int job_fd, int result_fd) {
    auto work = [](const ports::ExportJob& job, Progress& progress, ResultChannel& channel) {
        end_after(job.child.timeout, fmt::format("laying out {}", job.commit), progress, channel);
        return finish(channel, with_libgit2(job, [&] { return export_tree(job, progress); }));
    };
    return run(job_fd, result_fd, &decode_export_job, work);
}

int run_diff(int job_fd, int result_fd) {
    auto work = [](const ports::ChangesJob& job, Progress& progress, ResultChannel& channel) {
        end_after(job.child.timeout, fmt::format("comparing {} with {}", job.from, job.to),
                  progress, channel);
        return finish(channel, with_libgit2(job, [&] { return list_changes(job); }));
    };
    return run(job_fd, result_fd, &decode_changes_job, work);
}

std::optional<int> run_operation(std::string_view name) {
    if (name == "fetch") return run_fetch(kJobDescriptor, kResultDescriptor);
    if (name == "export") return run_export(kJobDescriptor, kResultDescriptor);
    if (name == "tips") return run_tips(kJobDescriptor, kResultDescriptor);
    if (name == "diff") return run_diff(kJobDescriptor, kResultDescriptor);
    return std::nullopt;
}

}  // namespace belay::git
