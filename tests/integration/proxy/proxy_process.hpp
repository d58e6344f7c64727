// The real proxy as a child, with the listener held here as the shim would.
#pragma once

#include "sockets.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <spawn.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

extern char** environ;

namespace belay::proxy {

using nlohmann::json;

class ProxyProcess {
  public:
    explicit ProxyProcess(std::vector<std::string> options = {})
        : options_(std::move(options)), listener_(listen_on_loopback()), port_(port_of(listener_)) {
        char name[] = "/tmp/belay-proxy-XXXXXX";
        directory_ = ::mkdtemp(name);
        start();
    }
    ProxyProcess(const ProxyProcess&) = delete;
    ProxyProcess& operator=(const ProxyProcess&) = delete;
    ~ProxyProcess() {
        if (pid_ > 0) {
            int status = -1;
            // Asked twice it ends at once; two signals may have come to it as one.
            bool ended = test::eventually([&] {
                ::kill(pid_, SIGTERM);
                return ::waitpid(pid_, &status, WNOHANG) == pid_;
            });
            EXPECT_TRUE(ended);
            if (!ended) kill();
            EXPECT_EQ(status, 0) << "the proxy must end in order (a sanitizer's complaint is not)";
        }
        std::filesystem::remove_all(directory_);
    }

    void start() {
        std::vector<std::string> arguments = {PROXY_UNDER_TEST, directory_};
        arguments.insert(arguments.end(), options_.begin(), options_.end());
        std::vector<char*> argv;
        for (auto& argument : arguments)
            argv.push_back(argument.data());
        argv.push_back(nullptr);
        ::setenv("LISTEN_FDS", "1", 1);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        // A duplicate first: onto itself dup2 would leave the close-on-exec flag.
        int copy = ::fcntl(listener_.fd(), F_DUPFD_CLOEXEC, 100);
        posix_spawn_file_actions_adddup2(&actions, copy, 3);
        ASSERT_EQ(::posix_spawn(&pid_, PROXY_UNDER_TEST, &actions, nullptr, argv.data(), environ),
                  0);
        posix_spawn_file_actions_destroy(&actions);
        ::close(copy);
        ::unsetenv("LISTEN_FDS");
    }

    // Connects to the control socket as soon as it answers.
    Socket control() {
        Socket socket;
        EXPECT_TRUE(test::eventually([&] {
            socket = connect_to(control_path());
            return static_cast<bool>(socket);
        })) << "no control socket";
        return socket;
    }
    json call(json request) {
        auto socket = control();
        request["id"] = 1;
        socket.send(request.dump() + "\n");
        auto answer = json::parse(socket.receive_until("\n", 30'000), nullptr, false);
        return answer.is_object() ? answer : json::object();
    }
    json route(std::int64_t epoch, int release, std::vector<std::uint16_t> ports,
               json more = json::object()) {
        json upstreams = json::array();
        for (auto port : ports)
            upstreams.push_back({{"host", "127.0.0.1"}, {"port", port}});
        json route = {
            {"app", "shop"}, {"epoch", epoch}, {"release", release}, {"upstreams", upstreams}};
        route.update(more);
        return call({{"op", "route"}, {"route", route}});
    }
    json counters(int release, const std::string& app = "shop") {
        auto answer = call({{"op", "counters"}, {"app", app}});
        for (const auto& item : answer["ok"]["releases"])
            if (item["release"] == release) return item;
        return json::object();
    }
    // Waits until a counter has the value.
    bool counts(int release, const char* key, std::uint64_t value) {
        return test::eventually(
            [&] { return counters(release).value(key, std::uint64_t{0}) == value; });
    }

    void kill() {
        ::kill(pid_, SIGKILL);
        wait();
    }
    void terminate() { ::kill(pid_, SIGTERM); }
    int wait() {
        if (pid_ <= 0) return 0;
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }
    bool ended() {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
        pid_ = -1;
        return true;
    }

    Socket client() const { return connect_to(port_); }
    std::string get(const std::string& path, const std::string& host = "shop.example.com") const {
        auto socket = client();
        socket.send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
        return socket.receive_all();
    }
    std::string exchange(const std::string& bytes) const {
        auto socket = client();
        socket.send(bytes);
        return socket.receive_all();
    }

    long resident_kib() const {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        std::string line;
        while (std::getline(status, line))
            if (line.starts_with("VmRSS:")) return std::atol(line.c_str() + 6);
        return 0;
    }
    // CPU time used, in clock ticks.
    long cpu_ticks() const {
        std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
        std::string word;
        long ticks = 0;
        for (int i = 1; stat >> word && i <= 15; ++i)
            if (i >= 14) ticks += std::atol(word.c_str());
        return ticks;
    }

    std::uint16_t port() const { return port_; }
    pid_t pid() const { return pid_; }
    std::string control_path() const { return directory_ + "/control.sock"; }
    const std::string& directory() const { return directory_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  private:
    std::vector<std::string> options_;
    Socket listener_;
    std::uint16_t port_;
    std::string directory_;
    pid_t pid_ = -1;
};

inline bool under_sanitizer() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

}  // namespace belay::proxy
