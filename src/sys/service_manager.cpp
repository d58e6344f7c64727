#include <belay/sys/service_manager.hpp>

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace belay::sys {
namespace {

// A manager that can't be told is no reason to do anything else.
void tell(const std::string& text) {
    ::sd_notify(0, text.c_str());
}

std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n') c = ' ';
    return text;
}

}  // namespace

bool is_managed() {
    const char* socket = std::getenv("NOTIFY_SOCKET");
    return socket != nullptr && *socket != '\0';
}

void notify_ready(const std::string& status) {
    tell("READY=1\nSTATUS=" + one_line(status));
}

// The manager orders this against its own reload request by the time (systemd.service(5),
// Type=notify-reload).
void notify_reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}{:06}", now.tv_sec, now.tv_nsec / 1000));
}

void notify_stopping() {
    tell("STOPPING=1");
}

void notify_alive() {
    tell("WATCHDOG=1");
}

void notify_successor(pid_t pid) {
    tell(fmt::format("MAINPID={}", pid));
}

void keep_listener(int fd) {
    ::sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=tcp", &fd, 1);
}

Millis watchdog_interval() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0) return Millis{0};
    return Millis{static_cast<std::int64_t>(microseconds / 1000)};
}

int exit_status_for_good() {
    constexpr int kForGood = 75;  // EX_TEMPFAIL: no other way out of belay has it
    return is_managed() ? kForGood : 0;
}

Result<void> stop_unit(const std::string& unit) {
    std::array<std::string, 4> words{"systemctl", "--no-block", "stop", unit};
    std::array<char*, 5> argv{};
    for (std::size_t i = 0; i < words.size(); ++i)
        argv[i] = words[i].data();
    pid_t child = 0;
    if (int failure = ::posix_spawnp(&child, "systemctl", nullptr, nullptr, argv.data(), environ))
        return errno_error(failure, "asking systemd to stop " + unit);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return Error{Errc::unavailable, "systemctl could not stop " + unit};
}

Result<std::map<std::string, std::string>> unit_properties(const std::string& unit,
                                                           const std::vector<std::string>& names) {
    std::string command = "systemctl show " + unit;
    for (const auto& name : names)
        command += " -p " + name;
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>/dev/null").c_str(), "re"),
                                               ::pclose);
    std::map<std::string, std::string> properties;
    std::array<char, 4096> line{};
    while (pipe && std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
        std::string text(line.data());
        while (text.ends_with('\n'))
            text.pop_back();
        if (auto equals = text.find('='); equals != text.npos)
            properties[text.substr(0, equals)] = text.substr(equals + 1);
    }
    if (properties.empty())
        return Error{Errc::unavailable, "systemctl does not say how " + unit + " is"};
    return properties;
}

}  // namespace belay::sys
