#include "capture.hpp"
#include "codec.hpp"
#include "verdict.hpp"

#include <belay/async/task_group.hpp>
#include <belay/base/process.hpp>
#include <belay/domain/command.hpp>
#include <belay/stage/worker.hpp>
#include <belay/sys/child.hpp>
#include <belay/sys/pipes.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace belay::stage {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kPipeBytes = 1 << 20;
// The tree is dead then; only a descriptor that was passed out of it can keep the pipe open.
constexpr Millis kDrain{1'000};
constexpr std::uint64_t kMaxJob = 64u << 20;

// One step, from its job to its outcome.
class Worker {
  public:
    Worker(asio::any_io_executor loop, WorkerJob job, int job_fd)
        : loop_(loop),
          timers_(async::make_timers(loop)),
          group_(loop),
          shim_(std::move(job.shim)),
          group_of_step_(std::move(job.group)),
          limit_user_(job.limit_user),
          job_(std::move(job.job)),
          request_(loop, job_fd) {}

    // Never throws; leaves nothing running.
    Task<void> run(Result<ports::StageOutcome>& result);

  private:
    Task<Result<ports::StageOutcome>> run_command();
    Result<sys::UniqueFd> open_output();
    sys::ChildSpec spec_of(const sys::UniqueFd& output) const;
    Task<void> watch_request();
    Task<void> watch_child(sys::Child& child);
    Task<void> watch_time(sys::Child& child);
    async::SteadyTime next_limit() const;
    void stop(sys::Child& child, StopCause cause);
    Result<ports::StageOutcome> refused(const Error& error);
    Result<ports::StageOutcome> finish();

    asio::any_io_executor loop_;
    std::unique_ptr<async::Timers> timers_;
    async::TaskGroup group_;
    std::string shim_;
    sys::Cgroup group_of_step_;
    bool limit_user_;
    ports::StageJob job_;
    asio::posix::stream_descriptor request_;
    std::unique_ptr<Capture> capture_;
    async::Event wake_;  // something happened that ends the command
    bool stop_requested_ = false;
    bool child_ended_ = false;
    Exit exit_;
    StopCause cause_ = StopCause::none;
    std::uint64_t oom_kills_ = oom_kills();
    async::SteadyTime started_{};
};

Task<void> Worker::run(Result<ports::StageOutcome>& result) {
    group_.spawn("request", watch_request());
    result = co_await run_command();
    boost::system::error_code ignored;
    request_.close(ignored);
    if (capture_) capture_->stop();
    co_await group_.join();
}

// Its end is the wish to stop; whatever else came would be no part of the protocol.
Task<void> Worker::watch_request() {
    char rest = 0;
    auto buffer = asio::buffer(&rest, 1);
    auto [failure, size] =
        co_await request_.async_read_some(buffer, asio::as_tuple(asio::use_awaitable));
    if (failure == asio::error::operation_aborted) co_return;
    stop_requested_ = true;
    wake_.set();
}

Task<Result<ports::StageOutcome>> Worker::run_command() {
    auto output = open_output();
    if (!output) co_return output.error();
    auto spec = spec_of(*output);
    auto child = co_await sys::Child::start(loop_, shim_, spec);
    if (!child) co_return child.error();
    started_ = timers_->steady_now();
    auto begun = co_await child->go();
    output->reset();
    if (!begun) {
        auto result = refused(begun.error());
        child->kill();
        co_await child->wait();
        co_return result;
    }
    group_.spawn("capture", capture_->run());
    group_.spawn("child", watch_child(*child));
    co_await watch_time(*child);
    co_await timers_->wait(capture_->ended(), kDrain);
    capture_->stop();
    co_await capture_->ended().wait();
    co_return finish();
}

// The log, and the pipe's end that the command writes to.
Result<sys::UniqueFd> Worker::open_output() {
    auto log = LogFile::open(job_.log_path, job_.log_cap);
    if (!log) return log.error();
    auto pipe = sys::make_pipe();
    if (!pipe) return pipe.error();
    ::fcntl(pipe->write.get(), F_SETPIPE_SZ, kPipeBytes);
    capture_ = std::make_unique<Capture>(loop_, *timers_, std::move(pipe->read), std::move(*log),
                                         Masker(job_.mask), [this] { wake_.set(); });
    return std::move(pipe->write);
}

sys::ChildSpec Worker::spec_of(const sys::UniqueFd& output) const {
    sys::ChildSpec spec;
    spec.out = output.get();
    spec.err = output.get();
    auto& program = spec.program;
    program.argv = domain::argv_of(job_.run);
    program.env = job_.env;
    program.cwd = job_.cwd;
    program.stop.timeout = job_.grace;
    program.group = group_of_step_;
    if (job_.uid < 0) return spec;
    User user{static_cast<uid_t>(job_.uid), static_cast<gid_t>(job_.gid), {}};
    for (int group : job_.groups)
        user.groups.push_back(static_cast<gid_t>(group));
    program.user = user;
    // The kernel counts by user: under one that is not this app's alone it would count everything
    // else of that user too.
    if (job_.limits.processes && limit_user_)
        program.limits.processes = static_cast<std::uint64_t>(*job_.limits.processes);
    return spec;
}

Task<void> Worker::watch_child(sys::Child& child) {
    exit_ = co_await child.wait();
    child_ended_ = true;
    wake_.set();
}

async::SteadyTime Worker::next_limit() const {
    auto limit = async::SteadyTime::max();
    if (job_.timeout > Millis::zero()) limit = std::min(limit, started_ + job_.timeout);
    if (job_.silence > Millis::zero())
        limit = std::min(limit, capture_->last_output() + job_.silence);
    return limit;
}

// Returns when the whole tree is dead.
Task<void> Worker::watch_time(sys::Child& child) {
    constexpr std::chrono::hours kLong{24};  // a clock's largest value overflows a timer's
    while (!child_ended_) {
        auto now = timers_->steady_now();
        if (capture_->failure())
            child.kill();
        else if (stop_requested_)
            stop(child, StopCause::canceled);
        else if (job_.timeout > Millis::zero() && now >= started_ + job_.timeout)
            stop(child, StopCause::timeout);
        else if (now >= next_limit())
            stop(child, StopCause::silent);
        if (cause_ != StopCause::none || capture_->failure()) {
            while (!child_ended_) {
                wake_.reset();
                co_await wake_.wait();
                if (capture_->failure()) child.kill();
            }
            co_return;
        }
        auto left = std::min<std::chrono::nanoseconds>(next_limit() - now, kLong);
        co_await timers_->wait(wake_, std::chrono::ceil<Millis>(left));
    }
}

void Worker::stop(sys::Child& child, StopCause cause) {
    cause_ = cause;
    child.stop();
}

// The command could not be executed. Where that is its author's fault it is an outcome, as a shell
// would give it.
Result<ports::StageOutcome> Worker::refused(const Error& error) {
    if (error.code != Errc::invalid || !std::filesystem::is_directory(job_.cwd)) return error;
    auto missing = missing_command(domain::argv_of(job_.run), job_);
    ports::StageOutcome outcome;
    outcome.exit_code = missing ? 127 : 126;
    outcome.detail = missing ? *missing : error.message;
    capture_->note("belay: " + outcome.detail + "\n");
    const auto& log = capture_->finish();
    if (capture_->failure()) return *capture_->failure();
    outcome.log_bytes = log.bytes();
    outcome.tail = log.tail();
    return outcome;
}

Result<ports::StageOutcome> Worker::finish() {
    const auto& log = capture_->finish();
    if (capture_->failure()) return *capture_->failure();
    ports::StageOutcome outcome;
    const Evidence evidence{group_of_step_.usage(), oom_kills() - oom_kills_};
    judge(exit_, cause_, evidence, job_, outcome);
    outcome.log_bytes = log.bytes();
    outcome.tail = log.tail();
    return outcome;
}

Result<std::string> read_exactly(int fd, std::uint64_t size) {
    std::string content(size, '\0');
    for (std::uint64_t at = 0; at < size;) {
        auto got = ::read(fd, content.data() + at, size - at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return Error{Errc::internal, "the job was cut short"};
        at += static_cast<std::uint64_t>(got);
    }
    return content;
}

Result<WorkerJob> read_job(int fd) {
    auto header = read_exactly(fd, kFrameHeader);
    if (!header) return header.error();
    auto length = frame_length(*header);
    if (length > kMaxJob) return Error{Errc::limit, "the job is larger than 64 MiB"};
    auto content = read_exactly(fd, length);
    if (!content) return content.error();
    return decode_job(*content);
}

Result<ports::StageOutcome> perform(int job_fd) {
    auto job = read_job(job_fd);
    if (!job) return job.error();
    Result<ports::StageOutcome> result = Error{Errc::internal, "the worker ended too early"};
    asio::io_context loop{1};
    // A descriptor of its own, as it is closed with the worker.
    Worker worker(loop.get_executor(), std::move(*job), ::fcntl(job_fd, F_DUPFD_CLOEXEC, 3));
    async::TaskGroup group(loop.get_executor());
    group.spawn("stage", worker.run(result));
    loop.run();
    return result;
}

// What the daemon passed for its lock must not reach the command.
void keep_from_children() {
    for (int fd = 3; fd < 64; ++fd)
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

}  // namespace

int run_worker(int job_fd, int result_fd) {
    std::signal(SIGPIPE, SIG_IGN);
    auto result = perform(job_fd);
    auto content = encode(result);
    for (std::string_view rest = content; !rest.empty();) {
        auto written = ::write(result_fd, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return 1;
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

std::optional<int> run_operation(std::string_view name) {
    if (name != "run") return std::nullopt;
    keep_from_children();
    return run_worker(0, 1);
}

}  // namespace belay::stage
