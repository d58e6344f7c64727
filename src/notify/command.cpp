#include "command.hpp"

#include "text.hpp"

#include <belay/sys/child.hpp>
#include <belay/sys/pipes.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace belay::notify {
namespace {

using ports::Verdict;

constexpr std::size_t kShown = 200;

Verdict retry(std::string why) {
    return {Verdict::Kind::retry, std::move(why), Millis{0}};
}

// A file in memory: the command reads its input at its own pace, and nobody has to feed it.
Result<sys::UniqueFd> in_memory(const std::string& content) {
    sys::UniqueFd fd(::memfd_create("belay-alert", MFD_CLOEXEC));
    if (fd.get() < 0) return errno_error(errno, "making the command's input");
    for (std::size_t at = 0; at < content.size();) {
        auto written =
            ::pwrite(fd.get(), content.data() + at, content.size() - at, static_cast<off_t>(at));
        if (written < 0) return errno_error(errno, "writing the command's input");
        at += static_cast<std::size_t>(written);
    }
    return fd;
}

std::string first_line(int fd) {
    std::string said(kShown, '\0');
    auto got = ::pread(fd, said.data(), said.size(), 0);
    said.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return clean_line(said.substr(0, said.find('\n')));
}

}  // namespace

Task<ports::Verdict> run_command(boost::asio::any_io_executor executor, async::Timers& timers,
                                 std::string shim, CommandRun command, Millis limit) {
    auto input = in_memory(command.input);
    if (!input) co_return retry(input.error().message);
    auto said = in_memory("");
    if (!said) co_return retry(said.error().message);
    sys::ChildSpec spec;
    spec.program.argv = std::move(command.argv);
    spec.program.env = std::move(command.env);
    // What it says is for diagnosis; it must not fill the memory.
    spec.program.limits.file_size = std::uint64_t{64} << 20;
    spec.in = input->get();
    spec.err = said->get();
    auto started = co_await sys::Child::start(executor, std::move(shim), std::move(spec));
    if (!started) co_return retry(started.error().message);
    auto& child = *started;
    auto running = co_await child.go();
    if (!running) co_return retry(running.error().message);
    auto overdue = std::make_shared<bool>(false);
    auto deadline = timers.after(limit, [&child, overdue] {
        *overdue = true;
        child.kill();
    });
    auto exit = co_await child.wait();
    deadline.end();
    if (*overdue)
        co_return retry(fmt::format("the command did not end within {}", format_duration(limit)));
    if (exit.success()) co_return Verdict{};
    auto why = fmt::format("the command {}", describe(exit));
    if (auto line = first_line(said->get()); !line.empty()) why += ": " + line;
    co_return retry(std::move(why));
}

}  // namespace belay::notify
