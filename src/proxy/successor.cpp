#include "successor.hpp"

#include <climits>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <string>
#include <unistd.h>

namespace belay::proxy {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr int kOutOfTheWay = 1000;
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

class FileActions {
  public:
    FileActions() { ::posix_spawn_file_actions_init(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    // Above the numbers that they get, so that none is overwritten before it was passed.
    bool pass(int fd, int as) {
        lifted_.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay));
        return lifted_.back() &&
               ::posix_spawn_file_actions_adddup2(&actions_, lifted_.back().get(), as) == 0;
    }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    posix_spawn_file_actions_t actions_{};
    std::vector<Fd> lifted_;
};

}  // namespace

Result<Successor> start_successor(const ProxyOptions& options, const std::vector<int>& listeners) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error(errno, "making a pipe");
    Successor successor;
    successor.ready = Fd(ends[0]);
    Fd theirs(ends[1]);
    FileActions actions;
    int next = kFirstPassed;
    for (int fd : listeners)
        if (!actions.pass(fd, next++)) return errno_error(errno, "passing a listener");
    if (!actions.pass(theirs.get(), next)) return errno_error(errno, "passing a pipe");
    std::vector<std::string> words{own_path(),  "proxy",         "--directory", options.directory,
                                   "--control", options.control, "--nonce",     options.nonce};
    auto variables = environment(listeners.size(), next);
    auto argv = pointers(words);
    auto envp = pointers(variables);
    if (int failure = ::posix_spawn(&successor.pid, words.front().c_str(), actions.get(), nullptr,
                                    argv.data(), envp.data()))
        return errno_error(failure, "starting " + words.front());
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
