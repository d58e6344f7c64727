// What the service manager (systemd) is told of this daemon: sd_notify(3). All of it does nothing
// where there is none, that is where NOTIFY_SOCKET is not set.
#pragma once

#include <belay/base/time.hpp>

#include <string>

namespace belay::sys {

// Start-up is over. `status` is what `systemctl status` shows.
void notify_ready(const std::string& status);
// The configuration is read again; ends with notify_ready().
void notify_reloading();
void notify_stopping();
void notify_alive();

// How often notify_alive() is awaited (WatchdogSec=); 0: never.
Millis watchdog_interval();

}  // namespace belay::sys
