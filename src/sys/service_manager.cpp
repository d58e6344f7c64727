#include <belay/sys/service_manager.hpp>

#include <cstdint>
#include <ctime>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

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

Millis watchdog_interval() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0) return Millis{0};
    return Millis{static_cast<std::int64_t>(microseconds / 1000)};
}

}  // namespace belay::sys
