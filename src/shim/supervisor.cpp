#include "supervisor.hpp"

#include "control.hpp"
#include "record.hpp"
#include "tree.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::shim {

namespace {

constexpr std::uint64_t kLongestBackoff = 60'000;
// Ran for so long, or for so many times its last wait: its next failure is a new one.
constexpr std::uint64_t kSteadyRun = 60'000;
constexpr std::uint64_t kSteadyShare = 10;
constexpr unsigned kBusyPasses = 200;  // before a kill starts to pause between passes

std::uint64_t number(long value) {
    return static_cast<std::uint64_t>(value);
}

std::uint64_t cpu_ms(const rusage& usage) {
    return number(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           number(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

bool listens(int fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

// Into the program's own output, where its people look.
void note(const Text& line) {
    write_all(2, line.data(), line.length());
}

}  // namespace

Supervisor::Supervisor(Spec& spec, Descriptors& descriptors)
    : spec_(spec), descriptors_(descriptors) {
    read_small("/proc/sys/kernel/random/boot_id", boot_, sizeof boot_);
    *strchrnul(boot_, '\n') = '\0';
    shim_start_ = start_time(getpid());
    for (unsigned at = 0; at < spec.listener_count; ++at)
        add_listener(fcntl(kFirstListenerFd + static_cast<int>(at), F_DUPFD_CLOEXEC, 64),
                     spec.listener_names[at]);
    write_policy();
    write_identity();
    Line<256> line;
    line.add("identity 1 ").add(boot_).add(" ").add(number(getpid())).add(" ").add(shim_start_);
    line.add(" ").add(spec.token).add("\n");
    write_all(descriptors.control, line.data(), line.length());
}

bool Supervisor::begin() {
    begun_ = true;
    first_start_at_ = wall_ms();
    if (!execute()) return false;
    if (spec_.kept) {
        close(descriptors_.control);
        descriptors_.control = -1;
    }
    return true;
}

// Tells how it went, to whoever may listen.
bool Supervisor::execute() {
    alive_ = main_ended_ = background_ = empty_ = false;
    peak_ = cpu_ = 0;
    StartFailure failure;
    pid_ = start_program(spec_, listeners_, failure);
    started_ms_ = steady_ms();
    Line<256> line;
    if (pid_ == 0) {
        line.add("failed ").add(failure.step).add(" ").add(number(failure.error)).add("\n");
    } else {
        alive_ = true;
        pid_start_ = start_time(pid_);
        write_identity();
        line.add("started ").add(number(pid_)).add(" ").add(pid_start_).add("\n");
    }
    if (descriptors_.control >= 0) write_all(descriptors_.control, line.data(), line.length());
    tell_all(line);
    if (pid_ == 0) {
        Line<256> text;
        const char* name = strerrorname_np(failure.error);
        text.add("belay-shim: cannot run ")
            .add(spec_.argv[0], strnlen(spec_.argv[0], 150))
            .add(": ");
        note(text.add(failure.step).add(" ").add(name == nullptr ? "?" : name).add("\n"));
    }
    return pid_ != 0;
}

void Supervisor::start() {
    restart_at_ = 0;
    ++restarts_;
    if (execute()) return;
    status_ = 127 << 8;
    end_run();
}

void Supervisor::reap() {
    for (;;) {
        int status = 0;
        rusage usage{};
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) empty_ = true;
        if (pid <= 0) return;
        peak_ = peak_ > number(usage.ru_maxrss) * 1024 ? peak_ : number(usage.ru_maxrss) * 1024;
        cpu_ += cpu_ms(usage);
        if (pid == pid_ && !main_ended_) {
            main_ended_ = true;
            if (!background_) status_ = status;
        }
    }
}

// The main program is gone, something of its tree is not.
void Supervisor::after_main() {
    bool left_well = WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
    if (spec_.kept && left_well && !stopping_) {
        // It put itself in the background. The identity names a process that lives, for the day we
        // are killed.
        pid_t next = first_child();
        if (next == 0) return;
        background_ = true;
        main_ended_ = false;
        pid_ = next;
        pid_start_ = start_time(next);
        write_identity();
        Line<64> line;
        tell_all(line.add("background ").add(number(pid_)).add(" ").add(pid_start_).add("\n"));
        return;
    }
    if (!stopping_ || spec_.stop_to == StopTo::main) kill();
}

void Supervisor::step() {
    if (!begun_ || over_) return;
    if (alive_) {
        reap();
        if (!empty_ && main_ended_ && !killing_) after_main();
        if (kill_at_ != 0 && steady_ms() >= kill_at_) kill();
        if (!empty_ && killing_) kill_pass();
        if (empty_) end_run();
    }
    if (!alive_ && !over_ && restart_at_ != 0 && steady_ms() >= restart_at_) start();
}

int Supervisor::sleep_ms() const {
    if (alive_ && killing_) return kill_passes_ < kBusyPasses ? 0 : 5;
    auto due = alive_ ? kill_at_ : restart_at_;
    if (due == 0) return -1;
    auto now = steady_ms();
    if (due <= now) return 0;
    return due - now > 1'000'000 ? 1'000'000 : static_cast<int>(due - now);
}

void Supervisor::kill_pass() {
    ++kill_passes_;
    signal_tree(SIGKILL);
    sched_yield();
    reap();
}

void Supervisor::end_run() {
    alive_ = killing_ = false;
    kill_passes_ = 0;
    kill_at_ = 0;
    pid_ = 0;
    pid_start_ = 0;
    ++last_.count;
    last_.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
    last_.code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 0;
    last_.peak = peak_;
    last_.cpu = cpu_;
    last_.at = wall_ms();
    bool again = spec_.kept && spec_.always && !stopping_;
    if (!again) over_ = true;
    write_exit();
    tell_exit();
    if (again)
        schedule_restart();
    else
        end();
}

void Supervisor::schedule_restart() {
    auto now = steady_ms();
    auto ran = now - started_ms_;
    // A proxy that serves for seconds and is killed, time and again, is no crash loop: users wait.
    if (backoff_ms_ == 0 || ran >= kSteadyRun || ran >= kSteadyShare * backoff_ms_)
        backoff_ms_ = spec_.first_backoff_ms;
    else
        backoff_ms_ = backoff_ms_ * 2 < kLongestBackoff ? backoff_ms_ * 2 : kLongestBackoff;
    restart_at_ = now + backoff_ms_;
    write_identity();
    Line<64> line;
    tell_all(line.add("backoff ").add(backoff_ms_).add("\n"));
    Line<256> text;
    text.add("belay-shim: the program ")
        .add(last_.signal != 0 ? "was killed by signal " : "exited with code ");
    text.add(number(last_.signal != 0 ? last_.signal : last_.code)).add("; starting it again in ");
    note(text.add(backoff_ms_ / 1000).add(" s\n"));
}

void Supervisor::end() {
    over_ = true;
    write_identity();
    Line<64> line;
    tell_all(line.add("ended\n"));
}

void Supervisor::stop() {
    if (stopping_ || over_) return;
    stopping_ = true;
    if (!begun_) {
        over_ = true;
        return;
    }
    if (!alive_) {
        restart_at_ = 0;
        over_ = true;
        write_exit();
        end();
        return;
    }
    kill_at_ = steady_ms() + spec_.stop_timeout_ms;
    bool to_main = spec_.stop_to == StopTo::main && !background_ && !main_ended_;
    if (to_main)
        ::kill(pid_, spec_.stop_signal);
    else
        signal_tree(spec_.stop_signal);
}

void Supervisor::kill() {
    kill_at_ = 0;
    killing_ = true;
}

void Supervisor::set_policy(bool always) {
    spec_.always = always;
    write_policy();
    Line<64> line;
    tell_all(line.add("policy ").add(always ? "always" : "never").add("\n"));
    if (!always && !alive_ && begun_ && !over_) stop();
}

bool Supervisor::signal_program(int which) {
    // Until it is reaped the pid is its own.
    if (!alive_ || main_ended_ || pid_ == 0) return false;
    return ::kill(pid_, which) == 0;
}

bool Supervisor::add_listener(int fd, const char* name) {
    if (listeners_.count == kMaxListeners) return false;
    const auto place = listeners_.count++;
    std::memcpy(names_[place], name, std::strlen(name) + 1);
    listeners_.fds[place] = fd;
    listeners_.names[place] = names_[place];
    listeners_.listening[place] = listens(fd);
    return true;
}

unsigned Supervisor::poll_listeners(pollfd* polled) const {
    for (unsigned at = 0; at < listeners_.count; ++at)
        polled[at] = {listeners_.listening[at] ? listeners_.fds[at] : -1, 0, 0};
    return listeners_.count;
}

void Supervisor::drop_closed_listeners(const pollfd* polled, unsigned count) {
    // From the end, so that what is dropped moves none that is still to be looked at.
    for (unsigned at = count; at-- > 0;)
        if (polled[at].revents != 0 && polled[at].fd == listeners_.fds[at] &&
            !listens(polled[at].fd))
            drop_listener(at);
}

void Supervisor::drop_listener(unsigned at) {
    close(listeners_.fds[at]);
    --listeners_.count;
    for (; at < listeners_.count; ++at) {
        listeners_.fds[at] = listeners_.fds[at + 1];
        listeners_.listening[at] = listeners_.listening[at + 1];
        std::memcpy(names_[at], names_[at + 1], sizeof names_[at]);
    }
}

void Supervisor::describe(Text& line) const {
    const char* state = alive_ ? "running" : !begun_ ? "waiting" : "backoff";
    line.add("ok state=").add(over_ ? "ended" : state).add(" pid=").add(number(pid_));
    line.add(" start=").add(pid_start_).add(" restarts=").add(restarts_);
    line.add(" policy=").add(spec_.always ? "always" : "never").add(" backoff=").add(backoff_ms_);
    line.add(" exits=").add(last_.count).add(" code=").add(number(last_.code));
    line.add(" signal=").add(number(last_.signal)).add(" peak=").add(last_.peak);
    line.add(" cpu=").add(last_.cpu).add(" at=").add(last_.at).add("\n");
}

void Supervisor::write_identity() {
    Line<kIdentitySize> text;
    text.add(kIdentityMagic).add("\nboot ").add(boot_);
    text.add("\nshim ").add(number(getpid())).add(" ").add(shim_start_);
    text.add("\nprogram ").add(number(pid_)).add(" ").add(pid_start_);
    text.add("\ntoken ").add(spec_.token).add("\nrun ").add(spec_.run);
    text.add("\nstarted ").add(first_start_at_).add("\nrestarts ").add(restarts_).add("\n");
    write_record(descriptors_.identity, text, kIdentitySize);
}

void Supervisor::write_exit() {
    Line<kExitSize> text;
    text.add(kExitMagic).add("\nfinal ").add(std::uint64_t{over_}).add("\ncount ").add(last_.count);
    text.add("\ncode ").add(number(last_.code)).add("\nsignal ").add(number(last_.signal));
    text.add("\npeak ")
        .add(last_.peak)
        .add("\ncpu ")
        .add(last_.cpu)
        .add("\nat ")
        .add(last_.at)
        .add("\n");
    write_record(descriptors_.exit, text, kExitSize);
}

void Supervisor::write_policy() const {
    Line<kPolicySize> text;
    text.add(kPolicyMagic).add("\npolicy ").add(spec_.always ? "always" : "never").add("\n");
    write_record(descriptors_.policy, text, kPolicySize);
}

void Supervisor::tell_exit() {
    Line<128> line;
    line.add("exited ").add(number(last_.code)).add(" ").add(number(last_.signal)).add(" ");
    line.add(last_.peak).add(" ").add(last_.cpu);
    if (!spec_.kept && descriptors_.control >= 0) {
        Line<128> report;
        report.add(line.data(), line.length()).add("\n");
        write_all(descriptors_.control, report.data(), report.length());
    }
    tell_all(line.add(" ").add(last_.at).add("\n"));
}

}  // namespace belay::shim
