// Programs that tests run: to their end, or as servers that die with the test.
#pragma once

#include <belay/sys/unique_fd.hpp>

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace belay::test {

using Argv = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

struct Started {
    pid_t pid = -1;
    sys::UniqueFd output;  // its standard output
};

// Forked from a test program that may have threads: nothing but system calls until exec.
inline Started start(const Argv& argv, const Environment& environment = {},
                     const std::string& directory = "/", bool keep_errors = true) {
    std::vector<char*> arguments;
    for (const auto& argument : argv)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    std::vector<std::string> pairs = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                                      "LANG=C.UTF-8"};
    for (const auto& [name, value] : environment)
        pairs.push_back(name + "=" + value);
    std::vector<char*> variables;
    for (auto& pair : pairs)
        variables.push_back(pair.data());
    variables.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe");
    auto parent = ::getpid();
    auto pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);
        ::signal(SIGPIPE, SIG_DFL);
        int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(ends[1], 1);
        if (!keep_errors) ::dup2(null, 2);
        if (::chdir(directory.c_str()) < 0) ::_exit(127);
        ::execvpe(arguments[0], arguments.data(), variables.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    return {pid, sys::UniqueFd(ends[0])};
}

inline std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    while (true) {
        auto got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

// Its standard output without the last line break; throws where it fails.
inline std::string run(const Argv& argv, const Environment& environment = {},
                       const std::string& directory = "/") {
    auto started = start(argv, environment, directory);
    auto text = read_all(started.output.get());
    int status = 0;
    ::waitpid(started.pid, &status, 0);
    if (status != 0) {
        std::string line;
        for (const auto& argument : argv)
            line += argument + " ";
        throw std::runtime_error(line + "failed: " + text);
    }
    while (text.ends_with('\n'))
        text.pop_back();
    return text;
}

// Killed, by its pid, when it goes.
class Server {
  public:
    Server() = default;
    explicit Server(const Argv& argv, const Environment& environment = {},
                    const std::string& directory = "/")
        : started_(start(argv, environment, directory, false)) {}
    Server(Server&& other) noexcept : started_(std::exchange(other.started_, Started())) {}
    Server& operator=(Server&& other) noexcept {
        stop();
        started_ = std::exchange(other.started_, Started());
        return *this;
    }
    ~Server() { stop(); }

    void stop() {
        if (started_.pid <= 0) return;
        // Its own children (a handler of a request) first go with it where it asks for that; git's
        // end by themselves.
        ::kill(started_.pid, SIGTERM);
        ::kill(started_.pid, SIGKILL);
        ::waitpid(started_.pid, nullptr, 0);
        started_ = Started();
    }
    pid_t pid() const { return started_.pid; }

    // The first line of its output: how a server tells its port.
    std::string first_line() const {
        std::string line;
        char c = 0;
        while (::read(started_.output.get(), &c, 1) == 1 && c != '\n')
            line.push_back(c);
        return line;
    }

  private:
    Started started_;
};

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// Free a moment ago: for servers that can't choose one themselves.
inline std::uint16_t free_port() {
    sys::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0) {
        throw std::runtime_error("no free port");
    }
    return ntohs(address.sin_port);
}

// Until somebody accepts there.
inline void wait_for_port(std::uint16_t port) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
        sys::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        auto address = loopback(port);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("nobody listens on port " + std::to_string(port));
}

}  // namespace belay::test
