#include "exec_probes.hpp"

#include "judgement.hpp"

#include <belay/base/masker.hpp>
#include <belay/domain/command.hpp>
#include <belay/health/prober.hpp>
#include <belay/sys/child.hpp>
#include <belay/sys/pipes.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace belay::health {

namespace asio = boost::asio;

namespace {

// How long KILL may take: what it does not end within that time hangs in the kernel.
constexpr Millis kKill{2'000};
// The tree is dead then; only a descriptor that was passed out of it can keep the pipe open.
constexpr Millis kDrain{200};

// Shared, as one that can't be killed outlives its probe.
struct Run {
    Run(const asio::any_io_executor& loop, sys::UniqueFd out, const std::vector<Secret>& secrets)
        : pipe(loop, out.release()), masker(secrets) {}

    void take(std::string text) {
        tail += text;
        if (tail.size() > 2 * kTailBytes) tail.erase(0, tail.size() - kTailBytes);
    }

    asio::posix::stream_descriptor pipe;
    Masker masker;
    std::string tail;
    std::optional<sys::Child> child;
    Exit exit;
    async::Event ended;
    async::Event read;  // to its end, or closed
};

Task<void> read_output(std::shared_ptr<Run> run) {
    std::array<char, 8 << 10> chunk;
    auto buffer = asio::buffer(chunk);
    while (true) {
        auto [failure, size] =
            co_await run->pipe.async_read_some(buffer, asio::as_tuple(asio::use_awaitable));
        run->take(run->masker.feed({chunk.data(), size}));
        if (failure) break;
    }
    run->take(run->masker.flush());
    run->read.set();
}

Task<void> await_end(std::shared_ptr<Run> run) {
    run->exit = co_await run->child->wait();
    run->ended.set();
}

std::string shown(const domain::Command& command) {
    std::string text = "exec:";
    if (!command.shell.empty()) return text + " " + command.shell;
    for (const auto& word : command.argv)
        text += " " + word;
    return text;
}

// From the beginning of a line, where there is one.
std::string last_lines(std::string text) {
    while (text.ends_with('\n'))
        text.pop_back();
    if (text.size() <= kTailBytes) return text;
    auto from = text.size() - kTailBytes;
    auto line = text.find('\n', from - 1);
    return text.substr(line == text.npos ? from : line + 1);
}

}  // namespace

Task<void> ExecProbes::probe(const ports::ProbeTarget& target, async::Cancel cancel,
                             domain::Probe& result) {
    result.target = printable(shown(target.health.run), kShownBytes);
    if (!target.program) {
        result.error = "there is no release to run it in";
        co_return;
    }
    const auto& program = *target.program;
    auto pipe = sys::make_pipe();
    if (!pipe) {
        result.error = pipe.error().message;
        co_return;
    }
    auto run = std::make_shared<Run>(loop_, std::move(pipe->read), program.mask);
    sys::ChildSpec spec;
    spec.out = pipe->write.get();
    spec.err = pipe->write.get();
    spec.program.argv = domain::argv_of(target.health.run);
    spec.program.env = program.env;
    spec.program.cwd = program.cwd;
    spec.program.user = program.user;
    auto child = co_await sys::Child::start(loop_, shim_, std::move(spec));
    if (!child) {
        result.error = "it could not be run: " + child.error().message;
        co_return;
    }
    run->child.emplace(std::move(*child));
    tasks_.spawn("exec probe", await_end(run));
    bool timed_out = false;
    auto deadline = timers_.after(target.health.timeout, [&] {
        timed_out = true;
        run->child->kill();
    });
    auto on_cancel = cancel.on_request([&] { run->child->kill(); });
    auto begun = co_await run->child->go();
    pipe->write.reset();
    if (!begun) {
        run->child->kill();
    } else {
        tasks_.spawn("exec probe's output", read_output(run));
        const bool ended =
            co_await timers_.wait(run->ended, target.health.timeout + kKill, async::Cancel());
        co_await timers_.wait(run->read, kDrain, async::Cancel());
        boost::system::error_code ignored;
        run->pipe.close(ignored);
        co_await run->read.wait();
        result.body = printable(last_lines(run->tail), kTailBytes);
        if (!ended)
            result.error = "ran longer than " + format_duration(target.health.timeout) +
                           ", and can't be killed";
    }
    if (!result.error.empty()) co_return;
    if (cancel.requested())
        result.error = "canceled";
    else if (timed_out)
        result.error = "ran longer than " + format_duration(target.health.timeout);
    else if (!begun)
        result.error = begun.error().message;
    else if (!run->exit.success())
        result.error = describe(run->exit);
}

}  // namespace belay::health
