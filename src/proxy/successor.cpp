#include "successor.hpp"

#include <climits>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace belay::proxy {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr const char* kReadyVariable = "BELAY_PROXY_READY";

// Replaced by an upgrade while it ran: the new one is at the same place.
std::string own_path() {
    char buffer[PATH_MAX];
    auto length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
    std::string path(buffer, static_cast<std::size_t>(length > 0 ? length : 0));
    if (auto mark = path.find(" (deleted)"); mark != path.npos) path.resize(mark);
    return path;
}

std::vector<std::string> environment(std::size_t listeners, int ready) {
    std::vector<std::string> variables;
    for (char** each = environ; *each != nullptr; ++each)
        if (std::strncmp(*each, "LISTEN_", 7) != 0) variables.emplace_back(*each);
    variables.push_back("LISTEN_FDS=" + std::to_string(listeners));
    variables.push_back(kReadyVariable + ("=" + std::to_string(ready)));
    return variables;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> all;
    for (auto& word : words)
        all.push_back(word.data());
    all.push_back(nullptr);
    return all;
}

// Descriptors for a program, with the numbers that they get there.
class Passed {
  public:
    explicit Passed(int end) : end_(end) {}
    // Lifted above all the numbers there (`end`), so that none is overwritten before it was passed.
    bool add(int fd, int as) {
        all_.push_back({Fd(::fcntl(fd, F_DUPFD_CLOEXEC, end_)), as});
        return static_cast<bool>(all_.back().fd);
    }
    // In the child: nothing here may allocate.
    bool place() const {
        for (const auto& one : all_)
            if (::dup2(one.fd.get(), one.as) < 0) return false;
        return true;
    }

  private:
    struct One {
        Fd fd;
        int as;
    };
    int end_;
    std::vector<One> all_;
};

// As fork(2), but the child is our parent's: the service manager's from the first moment, which
// hears of its end also while we live, and asks no more of it once we are gone.
pid_t fork_sibling() {
    return static_cast<pid_t>(
        ::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

}  // namespace

Result<Successor> start_successor(const ProxyOptions& options, const std::vector<int>& listeners) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error(errno, "making a pipe");
    Successor successor;
    successor.ready = Fd(ends[0]);
    Fd theirs(ends[1]);
    int next = kFirstPassed;
    Passed passed(next + static_cast<int>(listeners.size()) + 1);
    for (int fd : listeners)
        if (!passed.add(fd, next++)) return errno_error(errno, "passing a listener");
    if (!passed.add(theirs.get(), next)) return errno_error(errno, "passing a pipe");
    std::vector<std::string> words{own_path(),  "proxy",         "--directory", options.directory,
                                   "--control", options.control, "--nonce",     options.nonce};
    auto variables = environment(listeners.size(), next);
    auto argv = pointers(words);
    auto envp = pointers(variables);
    successor.pid = fork_sibling();
    if (successor.pid < 0) return errno_error(errno, "starting " + words.front());
    if (successor.pid == 0) {
        if (passed.place()) ::execve(argv.front(), argv.data(), envp.data());
        ::_exit(127);  // which ends the pipe
    }
    return successor;
}

void tell_predecessor() {
    const char* text = std::getenv(kReadyVariable);
    if (text == nullptr) return;
    Fd ready(std::atoi(text));
    ::unsetenv(kReadyVariable);
    // One that is gone needs no telling.
    [[maybe_unused]] auto written = ::write(ready.get(), "1", 1);
}

}  // namespace belay::proxy
