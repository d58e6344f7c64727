#include "program.hpp"

#include "text.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::shim {

namespace {

enum class Step : int { cwd, limits, listeners, exec };
constexpr const char* kStepNames[] = {"cwd", "limits", "listeners", "exec"};

struct Report {
    Step step;
    int error;
};

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START

// Runs in the child from here to the end.

[[noreturn]] void fail(int report_fd, Step step, int error) {
    const Report report{step, error};
    write_all(report_fd, reinterpret_cast<const char*>(&report), sizeof report);
    _exit(127);
}

// By the bare call, as glibc's refuses the two signals that it keeps for itself, which may be
// ignored from above us.
void reset_signals() {
    struct {
        void (*handler)(int) = SIG_DFL;
        unsigned long flags = 0;
        void (*restorer)() = nullptr;
        std::uint64_t mask = 0;
    } plain;
    for (int number = 1; number <= 64; ++number)
        syscall(SYS_rt_sigaction, number, &plain, nullptr, sizeof plain.mask);
    const std::uint64_t none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

bool pass_listeners(const Listeners& listeners) {
    // All of ours are far above, so no number is overwritten before it is read.
    for (unsigned at = 0; at < listeners.count; ++at)
        if (dup2(listeners.fds[at], kFirstPassed + static_cast<int>(at)) < 0) return false;
    return true;
}

bool limit(int resource, std::uint64_t value) {
    if (value == kUnset) return true;
    rlimit present{};
    if (getrlimit(resource, &present) != 0) return false;
    if (value > present.rlim_max) value = present.rlim_max;
    const rlimit wanted{value, value};
    return setrlimit(resource, &wanted) == 0;
}

bool lower_soft(int resource, std::uint64_t value) {
    if (value == kUnset) return true;
    rlimit present{};
    if (getrlimit(resource, &present) != 0) return false;
    present.rlim_cur = value < present.rlim_max ? value : present.rlim_max;
    return setrlimit(resource, &present) == 0;
}

bool set_limits(const Spec& spec) {
    return limit(RLIMIT_NOFILE, spec.nofile) && lower_soft(RLIMIT_NOFILE, spec.nofile_soft) &&
           limit(RLIMIT_NPROC, spec.nproc) && limit(RLIMIT_FSIZE, spec.fsize) &&
           limit(RLIMIT_AS, spec.as);
}

struct ListenVariables {
    Line<32> fds;
    Line<32> pid;
    Line<kMaxListeners*(kMaxName + 1) + 16> names;
};
ListenVariables variables;

// sd_listen_fds(3)
void add_listen_variables(const Spec& spec, const Listeners& listeners) {
    if (listeners.count == 0) return;
    variables.fds.add("LISTEN_FDS=").add(std::uint64_t{listeners.count});
    variables.pid.add("LISTEN_PID=").add(static_cast<std::uint64_t>(getpid()));
    variables.names.add("LISTEN_FDNAMES=");
    for (unsigned at = 0; at < listeners.count; ++at)
        variables.names.add(at == 0 ? "" : ":").add(listeners.names[at]);
    Text* all[kListenVariables] = {&variables.fds, &variables.pid, &variables.names};
    for (std::size_t at = 0; at < kListenVariables; ++at)
        spec.env[spec.env_count + at] = const_cast<char*>(all[at]->c_str());
}

void execute_in_path(const Spec& spec) {
    const char* program = spec.argv[0];
    const char* path = spec.path != nullptr ? spec.path : "/usr/local/bin:/usr/bin:/bin";
    int error = ENOENT;
    while (*path != '\0') {
        const char* end = strchrnul(path, ':');
        Line<4096> candidate;
        candidate.add(path, static_cast<std::size_t>(end - path)).add("/").add(program);
        if (end != path && !candidate.cut()) execve(candidate.c_str(), spec.argv, spec.env);
        // A file that may not be executed hides no later one, but is the better reason in the end.
        if (end != path && errno != ENOENT && errno != ENOTDIR) {
            error = errno;
            if (errno != EACCES) break;
        }
        path = *end == ':' ? end + 1 : end;
    }
    errno = error;
}

[[noreturn]] void run_child(const Spec& spec, const Listeners& listeners, int report_fd,
                            pid_t shim) {
    setsid();
    // A tied program must not outlive a shim that somebody killed; a kept one must.
    if (!spec.kept && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != shim) _exit(127);
    umask(spec.mask);
    if (chdir(spec.cwd) != 0) fail(report_fd, Step::cwd, errno);
    if (!pass_listeners(listeners)) fail(report_fd, Step::listeners, errno);
    syscall(SYS_close_range, kFirstPassed + listeners.count, ~0u, CLOSE_RANGE_CLOEXEC);
    add_listen_variables(spec, listeners);
    if (!set_limits(spec)) fail(report_fd, Step::limits, errno);
    reset_signals();
    if (std::strchr(spec.argv[0], '/') != nullptr)
        execve(spec.argv[0], spec.argv, spec.env);
    else
        execute_in_path(spec);
    fail(report_fd, Step::exec, errno);
}

}  // namespace

pid_t start_program(const Spec& spec, const Listeners& listeners, StartFailure& failure) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        failure = {"fork", errno};
        return 0;
    }
    int report_fd = fcntl(report[1], F_DUPFD_CLOEXEC, 64);
    close(report[1]);
    const pid_t shim = getpid();
    const pid_t pid = fork();
    if (pid == 0) run_child(spec, listeners, report_fd, shim);
    int fork_error = errno;
    close(report_fd);
    Report got{};
    long length = 0;
    // Ends with the execve, which closes the other end.
    if (pid > 0) do {
            length = read(report[0], &got, sizeof got);
        } while (length < 0 && errno == EINTR);
    close(report[0]);
    if (pid < 0) {
        failure = {"fork", fork_error};
        return 0;
    }
    if (length == 0) return pid;
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    failure = length == sizeof got ? StartFailure{kStepNames[static_cast<int>(got.step)], got.error}
                                   : StartFailure{"exec", EIO};
    return 0;
}

}  // namespace belay::shim
