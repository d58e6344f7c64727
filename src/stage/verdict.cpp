#include "verdict.hpp"

#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace belay::stage {
namespace {

// A shell whose child was killed says so by 128 + the signal.
bool was_killed(const Exit& exit) {
    return exit.known &&
           (exit.signal == SIGKILL || (exit.signal == 0 && exit.code == 128 + SIGKILL));
}

// make tells of a compiler that was killed by a code of its own, so that of a group any failure
// counts; what the machine killed may have been anybody's.
bool ran_out_of_memory(const Exit& exit, const Evidence& evidence) {
    if (exit.success()) return false;
    if (evidence.group.counts_oom) return evidence.group.oom_kills > 0;
    return was_killed(exit) && evidence.machine_kills > 0;
}

std::string words_of_exit(const Exit& exit) {
    if (!exit.known || exit.signal != 0) return describe(exit);
    return fmt::format("exit code {}", exit.code);
}

std::uint64_t counter(const std::string& file, std::string_view name) {
    auto content = sys::read_file(file);
    if (!content) return 0;
    auto at = content->find("\n" + std::string(name) + " ");
    if (at == content->npos) return 0;
    std::uint64_t value = 0;
    at += name.size() + 2;
    std::from_chars(content->data() + at, content->data() + content->size(), value);
    return value;
}

std::string path_variable(const ports::StageJob& job) {
    for (const auto& [name, value] : job.env)
        if (name == "PATH") return value;
    return "/usr/local/bin:/usr/bin:/bin";
}

bool exists(const std::string& file) {
    return ::access(file.c_str(), F_OK) == 0;
}

}  // namespace

void judge(const Exit& exit, StopCause cause, const Evidence& evidence, const ports::StageJob& job,
           ports::StageOutcome& outcome) {
    using Verdict = ports::StageVerdict;
    if (exit.known && exit.signal != 0)
        outcome.signal = exit.signal;
    else if (exit.known)
        outcome.exit_code = exit.code;
    const auto& group = evidence.group;
    // The group's is of the whole tree, page cache included; the exit's of its largest process.
    outcome.peak_memory =
        static_cast<std::int64_t>(group.peak_memory != 0 ? group.peak_memory : exit.peak_memory);
    outcome.cpu_ms = std::max(exit.cpu, group.cpu).count();
    outcome.detail = words_of_exit(exit);
    switch (cause) {
        case StopCause::timeout:
            outcome.verdict = Verdict::timeout;
            outcome.detail =
                fmt::format("ran longer than {}: stopped", format_duration(job.timeout));
            return;
        case StopCause::silent:
            outcome.verdict = Verdict::silent;
            outcome.detail = fmt::format("no output for {}: stopped", format_duration(job.silence));
            return;
        case StopCause::canceled:
            outcome.verdict = Verdict::canceled;
            outcome.detail = "stopped by request";
            return;
        case StopCause::none:
            break;
    }
    outcome.verdict = exit.success() ? Verdict::passed : Verdict::failed;
    if (ran_out_of_memory(exit, evidence)) {
        outcome.verdict = Verdict::oom;
        outcome.detail = fmt::format(
            "out of memory: the kernel killed it ({}; {})", words_of_exit(exit),
            group.memory_limit != 0 ? "limits.memory is " + format_size(group.memory_limit)
                                    : "largest process " + format_size(exit.peak_memory));
    } else if (!exit.success() && group.refused_forks > 0 && job.limits.processes) {
        outcome.detail += fmt::format("; it was refused more processes than limits.processes = {}",
                                      *job.limits.processes);
    } else if (exit.known && exit.signal == 0 && exit.code == 127 && !job.run.shell.empty()) {
        outcome.detail += ": the shell found no such command (see the log)";
    }
}

std::optional<std::string> missing_command(const std::vector<std::string>& argv,
                                           const ports::StageJob& job) {
    if (argv.empty() || argv[0].empty()) return "the command is empty";
    const auto& name = argv[0];
    if (name.find('/') != name.npos) {
        auto file = name.starts_with('/') ? name : job.cwd + "/" + name;
        if (exists(file)) return std::nullopt;
        return fmt::format("no such command: {} (looked for {})", name, file);
    }
    auto path = path_variable(job);
    for (std::size_t begin = 0; begin <= path.size();) {
        auto end = std::min(path.find(':', begin), path.size());
        if (exists(path.substr(begin, end - begin) + "/" + name)) return std::nullopt;
        begin = end + 1;
    }
    return fmt::format("no such command: {} (looked in {})", name, path);
}

std::uint64_t oom_kills() {
    auto machine = counter("/proc/vmstat", "oom_kill");
    auto group = sys::read_file("/proc/self/cgroup");
    auto at = group ? group->find("0::/") : std::string::npos;
    if (at == std::string::npos) return machine;
    auto path = group->substr(at + 3, group->find('\n', at) - at - 3);
    return machine + counter("/sys/fs/cgroup" + path + "/memory.events", "oom_kill");
}

}  // namespace belay::stage
