// What the service manager (systemd) is told of this process, and asked for: sd_notify(3),
// systemctl(1). The notify_ functions do nothing where there is none, that is where NOTIFY_SOCKET
// is not set.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace belay::sys {

// Whether a manager started this process and listens to it.
bool is_managed();

// Start-up is over. `status` is what `systemctl status` shows.
void notify_ready(const std::string& status);
// The configuration is read again; ends with notify_ready().
void notify_reloading();
void notify_stopping();
void notify_alive();
// Another process of this unit is its main one from now on.
void notify_successor(pid_t pid);

// The manager keeps a duplicate of the listening socket and passes it to the next start
// (LISTEN_FDS), until somebody ends its listening. Needs FileDescriptorStoreMax= in the unit.
void keep_listener(int fd);

// How often notify_alive() is awaited (WatchdogSec=); 0: never.
Millis watchdog_interval();

// What a process exits with that was asked to end for good: the units name it in
// RestartPreventExitStatus=. 0 without a manager.
int exit_status_for_good();

// Queues a stop of the unit, without waiting for it. Errc::unavailable: no systemctl, or it failed.
Result<void> stop_unit(const std::string& unit);

// What systemctl(1) shows of a unit: "ActiveState" -> "active". Errc::unavailable as above. `unit`
// and the names are constants of ours: they go through a shell.
Result<std::map<std::string, std::string>> unit_properties(const std::string& unit,
                                                           const std::vector<std::string>& names);

}  // namespace belay::sys
