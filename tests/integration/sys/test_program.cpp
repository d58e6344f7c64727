// What tests have belay run, where a shell script can't do it.
//   listen HOST PORT   listens there, prints "listening", answers each connection with its pid
//   activated          takes the listeners of LISTEN_FDS, prints their names, answers each with its
//   pid fds                prints the numbers of its open descriptors stubborn           ignores
//   TERM, in a tree of three sessions; prints the three pids daemonise          double fork with a
//   session of its own; the parent leaves with 0, the daemon prints its pid
#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

[[noreturn]] void sleep_for_ever() {
    for (;;)
        ::pause();
}

[[noreturn]] void answer_on(const std::vector<int>& listeners) {
    for (;;) {
        std::vector<pollfd> polled;
        for (int fd : listeners)
            polled.push_back({fd, POLLIN, 0});
        ::poll(polled.data(), polled.size(), -1);
        for (const auto& entry : polled) {
            if (entry.revents == 0) continue;
            int fd = ::accept(entry.fd, nullptr, nullptr);
            if (fd < 0) continue;
            auto text = std::to_string(::getpid());
            if (::write(fd, text.data(), text.size()) < 0) std::perror("write");
            ::close(fd);
        }
    }
}

int listen_on(const char* host, int port) {
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, host, &address.sin_addr);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd, 16) != 0) {
        std::perror("listen");
        std::exit(1);
    }
    say("listening");
    answer_on({fd});
}

int activated() {
    const char* count = std::getenv("LISTEN_FDS");
    const char* pid = std::getenv("LISTEN_PID");
    const char* names = std::getenv("LISTEN_FDNAMES");
    if (count == nullptr || pid == nullptr || names == nullptr || std::atoi(pid) != ::getpid()) {
        say("none");
        sleep_for_ever();
    }
    say(names);
    std::vector<int> listeners;
    for (int at = 0; at < std::atoi(count); ++at)
        listeners.push_back(3 + at);
    answer_on(listeners);
}

int list_fds() {
    std::string line;
    DIR* directory = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(directory))
        if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(directory))
            line += std::string(line.empty() ? "" : " ") + entry->d_name;
    ::closedir(directory);
    say(line);
    return 0;
}

void ignore_term() {
    std::signal(SIGTERM, SIG_IGN);
}

int stubborn() {
    ignore_term();
    for (int at = 0; at < 2; ++at) {
        if (::fork() == 0) {
            ::setsid();
            if (at == 1 && ::fork() != 0) std::_Exit(0);
            ::setsid();
            say(std::to_string(::getpid()));
            sleep_for_ever();
        }
    }
    say(std::to_string(::getpid()));
    sleep_for_ever();
}

int daemonise() {
    if (::fork() != 0) return 0;
    ::setsid();
    if (::fork() != 0) std::_Exit(0);
    say(std::to_string(::getpid()));
    sleep_for_ever();
}

}  // namespace

int main(int argc, char** argv) {
    std::string verb = argc > 1 ? argv[1] : "";
    if (verb == "listen" && argc == 4) return listen_on(argv[2], std::atoi(argv[3]));
    if (verb == "activated") return activated();
    if (verb == "fds") return list_fds();
    if (verb == "stubborn") return stubborn();
    if (verb == "daemonise") return daemonise();
    return 64;
}
