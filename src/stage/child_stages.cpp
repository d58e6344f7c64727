#include "codec.hpp"
#include "verdict.hpp"

#include <belay/async/offload.hpp>
#include <belay/base/log.hpp>
#include <belay/stage/child_stages.hpp>
#include <belay/sys/child.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/pipes.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace belay::stage {
namespace {

namespace asio = boost::asio;
using Pipe = asio::posix::stream_descriptor;

// A worker that does not end by itself this long after it must have: its tree is killed.
constexpr Millis kOverdue{30'000};
constexpr Millis kLeftovers{60'000};
constexpr Millis kPoll{50};

// What one run holds; the worker's tree is gone when `ended` is set.
struct Running {
    Running(asio::any_io_executor loop, sys::UniqueFd job_end, sys::UniqueFd result_end)
        : job(loop, job_end.release()), result(loop, result_end.release()) {}

    Pipe job;
    Pipe result;
    std::string sent;
    std::string received;
};

class ChildStages : public ports::Stages {
  public:
    ChildStages(asio::any_io_executor loop, async::Timers& timers, ChildStagesOptions options)
        : loop_(loop), timers_(timers), options_(std::move(options)) {
        // Those in which something lives are its app's next stage's to wait for.
        for (const auto& [name, group] : options_.groups.existing("stage-"))
            static_cast<void>(group.remove().has_value());
    }
    ~ChildStages() override { pool_.join(); }

    Task<Result<ports::StageOutcome>> run(ports::StageJob job, async::Cancel cancel) override;
    Task<Result<void>> wait_for_leftovers(std::string app) override;
    Task<Result<void>> kill_all(int uid) override;

  private:
    std::string lock_file(const std::string& app) const {
        return options_.lock_directory + "/" + app + ".lock";
    }
    Result<sys::UniqueFd> take_lock(const std::string& app) const;
    bool is_an_apps(int uid) const {
        return uid > 0 && uid >= options_.first_uid && uid <= options_.last_uid;
    }
    sys::Cgroup make_group(WorkerJob& worker);
    Task<Result<void>> wait_for_lock(std::string app);
    Task<void> end_group(std::string name, sys::Cgroup group);
    Task<Result<ports::StageOutcome>> run_in_group(WorkerJob job, async::Cancel cancel);
    Task<Result<ports::StageOutcome>> talk(sys::Child& worker, Running& running,
                                           const WorkerJob& job, async::Cancel cancel);

    asio::any_io_executor loop_;
    async::Timers& timers_;
    ChildStagesOptions options_;
    asio::thread_pool pool_{1};
    // In the names of our groups, so that none is taken for one that an earlier daemon left.
    std::string started_ = fmt::to_string(timers_.now().time_since_epoch().count());
    int steps_ = 0;
};

ports::StageOutcome canceled() {
    ports::StageOutcome outcome;
    outcome.verdict = ports::StageVerdict::canceled;
    outcome.detail = "stopped by request";
    return outcome;
}

// Shared, as our own stages of an app don't exclude each other; it lives in the worker's shim,
// until its tree is dead.
Result<sys::UniqueFd> ChildStages::take_lock(const std::string& app) const {
    if (auto made = sys::make_directories(options_.lock_directory, 0700); !made)
        return made.error();
    auto lock = sys::open_file(lock_file(app), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!lock) return lock;
    if (::flock(lock->get(), LOCK_SH | LOCK_NB) != 0)
        return errno_error(errno, "locking " + lock_file(app));
    return lock;
}

// Without one it runs rather than not at all.
sys::Cgroup ChildStages::make_group(WorkerJob& worker) {
    const auto& limits = worker.job.limits;
    const auto& support = options_.groups.support();
    sys::GroupLimits wanted{limits.memory, limits.cpu, {}};
    if (limits.processes && support.processes)
        wanted.processes = static_cast<std::uint64_t>(*limits.processes) + 1;  // the shim
    worker.limit_user = !support.processes && is_an_apps(worker.job.uid);
    if (!support.groups) return {};
    auto made = options_.groups.make(
        fmt::format("stage-{}.{}.{}-{}", worker.job.app, worker.job.name, started_, ++steps_),
        wanted);
    if (made) return *made;
    log::warning("a step has no control group, and so no limits",
                 {{"app", worker.job.app}, {"error", made.error().message}});
    return {};
}

Task<void> ChildStages::end_group(std::string name, sys::Cgroup group) {
    auto ended = co_await sys::end_group(timers_, group);
    if (!ended)
        log::warning("a step's control group stays",
                     {{"group", name}, {"error", ended.error().message}});
}

Task<Result<ports::StageOutcome>> ChildStages::run(ports::StageJob job, async::Cancel cancel) {
    if (cancel.requested()) co_return canceled();
    WorkerJob worker{std::move(job), options_.shim, {}, false};
    const auto name = worker.job.name;
    auto group = make_group(worker);
    worker.group = group.directories();
    auto outcome = co_await run_in_group(std::move(worker), cancel);
    co_await end_group(name, group);
    co_return outcome;
}

Task<Result<ports::StageOutcome>> ChildStages::run_in_group(WorkerJob job, async::Cancel cancel) {
    auto lock = take_lock(job.job.app);
    if (!lock) co_return lock.error();
    auto request = sys::make_pipe();
    if (!request) co_return request.error();
    auto result = sys::make_pipe();
    if (!result) co_return result.error();
    sys::ChildSpec spec;
    spec.program.argv = {options_.belay, "stage", "run"};
    spec.program.listeners.push_back({lock->get(), "lock"});
    spec.in = request->read.get();
    spec.out = result->write.get();
    spec.err = STDERR_FILENO;
    auto worker = co_await sys::Child::start(loop_, options_.shim, spec);
    if (!worker) co_return prefixed("starting the stage's worker", worker.error());
    auto begun = co_await worker->go();
    if (!begun) co_return prefixed("starting the stage's worker", begun.error());
    request->read.reset();
    result->write.reset();
    lock->reset();
    Running running(loop_, std::move(request->write), std::move(result->read));
    co_return co_await talk(*worker, running, job, cancel);
}

Task<Result<ports::StageOutcome>> ChildStages::talk(sys::Child& worker, Running& running,
                                                    const WorkerJob& work, async::Cancel cancel) {
    const auto& job = work.job;
    async::Subscription overdue, overdue_cancel;
    if (job.timeout > Millis::zero())
        overdue = timers_.after(job.timeout + job.grace + kOverdue, [&worker] { worker.kill(); });
    auto on_cancel = cancel.on_request([&] {
        boost::system::error_code ignored;
        running.job.close(ignored);
        overdue_cancel = timers_.after(job.grace + kOverdue, [&worker] { worker.kill(); });
    });
    running.sent = frame(encode(work));
    auto sent = asio::buffer(running.sent);
    if (running.job.is_open())
        co_await asio::async_write(running.job, sent, asio::as_tuple(asio::use_awaitable));
    running.sent.clear();  // secrets
    auto received = asio::dynamic_buffer(running.received);
    co_await asio::async_read(running.result, received, asio::as_tuple(asio::use_awaitable));
    auto exit = co_await worker.wait();
    if (running.received.empty()) {
        if (cancel.requested()) co_return canceled();
        co_return Error{Errc::internal,
                        "the stage's worker ended without a result: " + describe(exit)};
    }
    auto outcome = decode_outcome(running.received);
    // Closed before it had read all of its job.
    if (!outcome && cancel.requested()) co_return canceled();
    co_return outcome;
}

Task<Result<void>> ChildStages::wait_for_leftovers(std::string app) {
    auto ended = co_await wait_for_lock(app);
    if (!ended) co_return ended.error();
    const auto ours = "." + started_ + "-";
    for (const auto& [name, group] : options_.groups.existing("stage-" + app + "."))
        if (name.find(ours) == name.npos) co_await end_group(name, group);
    co_return Result<void>();
}

Task<Result<void>> ChildStages::wait_for_lock(std::string app) {
    auto file = lock_file(app);
    sys::UniqueFd lock(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    if (!lock) co_return errno == ENOENT ? Result<void>() : errno_error(errno, "opening " + file);
    auto deadline = timers_.steady_now() + kLeftovers;
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) co_return errno_error(errno, "locking " + file);
        if (timers_.steady_now() >= deadline)
            co_return Error{Errc::timeout, fmt::format("a stage of {} that an earlier daemon left "
                                                       "still runs after {}: see who holds {}",
                                                       app, format_duration(kLeftovers), file)};
        co_await timers_.sleep(kPoll);
    }
    co_return Result<void>();
}

Task<Result<void>> ChildStages::kill_all(int uid) {
    // A user by name may have processes that are none of ours; stages end with their shims in any
    // case.
    if (!is_an_apps(uid) || ::geteuid() != 0) co_return Result<void>();
    auto work = [this, uid] {
        return sys::kill_all_of_uid(options_.shim, static_cast<uid_t>(uid),
                                    static_cast<uid_t>(options_.first_uid),
                                    static_cast<uid_t>(options_.last_uid));
    };
    co_return co_await async::offload(pool_, std::move(work));
}

}  // namespace

std::unique_ptr<ports::Stages> make_child_stages(asio::any_io_executor loop, async::Timers& timers,
                                                 ChildStagesOptions options) {
    return std::make_unique<ChildStages>(loop, timers, std::move(options));
}

}  // namespace belay::stage
