// belay-shim: the parent of everything that belay starts.
//   belay-shim run [LABEL]                specification and control by descriptors, see
//   protocol.hpp belay-shim kill-uid UID FIRST LAST    see kill_uid.hpp
#include "control.hpp"
#include "kill_uid.hpp"
#include "privileges.hpp"
#include "protocol.hpp"
#include "spec.hpp"
#include "supervisor.hpp"
#include "text.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace belay::shim {

namespace {

constexpr int kRefused = 64;

Spec spec;

int refuse(int control, const char* what, const char* why) {
    Line<256> line;
    line.add("refused ").add(what, strnlen(what, 100)).add(why).add("\n");
    write_all(control, line.data(), line.length());
    return kRefused;
}

// Ours go far above the numbers that a program's listeners get.
int raise_fd(int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, 64);
}

bool take_descriptors(Descriptors& descriptors) {
    descriptors.control = raise_fd(kControlFd);
    if (!spec.kept) return descriptors.control >= 0;
    descriptors.identity = raise_fd(kIdentityFd);
    descriptors.exit = raise_fd(kExitFd);
    descriptors.policy = raise_fd(kPolicyFd);
    descriptors.socket = raise_fd(kSocketFd);
    return descriptors.identity >= 0 && descriptors.exit >= 0 && descriptors.policy >= 0 &&
           descriptors.socket >= 0;
}

int open_signals() {
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigprocmask(SIG_SETMASK, &taken, nullptr);
    int fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    int high = raise_fd(fd);
    close(fd);
    return high;
}

// The machine or somebody wants us gone: the program too, then.
void read_signals(int fd, Supervisor& supervisor) {
    signalfd_siginfo got;
    while (read(fd, &got, sizeof got) == static_cast<long>(sizeof got))
        if (got.ssi_signo != SIGCHLD) supervisor.stop();
}

// False when the other end is gone.
bool obey_daemon(int control, Supervisor& supervisor) {
    static Line<64> word;
    char text[64];
    auto got = recv(control, text, sizeof text, MSG_DONTWAIT);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    for (long at = 0; at < got; ++at) {
        if (text[at] != '\n') {
            word.add(text + at, 1);
            continue;
        }
        const char* command = word.c_str();
        if (equal(command, "go") && !supervisor.begun() && !supervisor.begin()) return false;
        if (equal(command, "stop")) supervisor.stop();
        if (equal(command, "kill") && supervisor.begun()) supervisor.kill();
        word.clear();
    }
    return got > 0;
}

// Something failed on the daemon's end: before "go" nothing has run; later a tied tree must not be
// left alone.
bool control_is_lost(Descriptors& descriptors, Supervisor& supervisor) {
    close(descriptors.control);
    descriptors.control = -1;
    supervisor.kill();
    return !supervisor.alive();
}

int supervise(Descriptors& descriptors, int signals) {
    static Supervisor supervisor(spec, descriptors);
    // All that is needed has been duplicated above.
    syscall(SYS_close_range, 3u, 63u, 0);
    while (!supervisor.over()) {
        pollfd polled[3 + kMaxConnections + kMaxListeners];
        polled[0] = {signals, POLLIN, 0};
        polled[1] = {descriptors.control, POLLIN, 0};
        unsigned connections = spec.kept ? poll_control(descriptors.socket, polled + 2) : 0;
        auto* listeners = polled + 2 + connections;
        unsigned listener_count = spec.kept ? supervisor.poll_listeners(listeners) : 0;
        if (poll(polled, 2 + connections + listener_count, supervisor.sleep_ms()) > 0) {
            supervisor.drop_closed_listeners(listeners, listener_count);
            if (polled[0].revents != 0) read_signals(signals, supervisor);
            if (polled[1].revents != 0 && descriptors.control >= 0 &&
                !obey_daemon(descriptors.control, supervisor) && descriptors.control >= 0 &&
                control_is_lost(descriptors, supervisor))
                return 1;
            serve_control(descriptors.socket, polled + 2, connections, supervisor);
        }
        supervisor.step();
    }
    return 0;
}

int run() {
    if (fcntl(kControlFd, F_GETFD) < 0) return kRefused;
    int signals = open_signals();
    if (const char* refusal = read_spec(kSpecFd, spec))
        return refuse(kControlFd, refusal, " [specification]");
    Descriptors descriptors;
    if (signals < 0 || !take_descriptors(descriptors))
        return refuse(kControlFd, "descriptors", " missing");
    if (const char* step = become(spec)) {
        const char* name = strerrorname_np(errno);
        Line<64> why;
        why.add(" failed: ").add(name == nullptr ? "?" : name);
        return refuse(kControlFd, step, why.c_str());
    }
    set_greeting(spec.token, spec.run);
    return supervise(descriptors, signals);
}

}  // namespace

}  // namespace belay::shim

int main(int argc, char** argv) {
    using namespace belay::shim;
    if (argc >= 2 && equal(argv[1], "run")) return run();
    if (argc >= 2 && equal(argv[1], "kill-uid")) return kill_uid(argc, argv);
    constexpr char kUsage[] = "belay-shim is started by belay; it is of no use by hand\n";
    write_all(2, kUsage, sizeof kUsage - 1);
    return kRefused;
}
