// systemd's manager over D-Bus [org.freedesktop.systemd1(5)]: units started, acted on and watched.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/error.hpp>
#include <belay/base/process.hpp>
#include <belay/base/time.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace belay::sys {

// ExecStart=: without a shell, and nothing in it is expanded.
struct UnitCommand {
    std::string path;  // of the program, absolute
    std::vector<std::string> argv;
};
// EnvironmentFile=: read by the manager, so that its values are no property.
struct UnitEnvironmentFile {
    std::string path;
};
// A property of a transient unit, in the manager's own type.
struct UnitSetting {
    std::string name;
    std::variant<bool, std::int32_t, std::uint32_t, std::uint64_t, std::string,
                 std::vector<std::string>, UnitCommand, UnitEnvironmentFile>
        value;
};

// What the manager says of a unit at one moment.
struct UnitStatus {
    std::string name;          // its first name: "shop.service"
    std::string load_state;    // loaded not-found masked error bad-setting
    std::string active_state;  // active reloading inactive failed activating deactivating
    std::string sub_state;     // running dead exited auto-restart stop-sigterm …
    std::string file_state;    // enabled disabled static transient masked …; empty: no file
    std::string file;          // its file; empty: none
    std::string invocation;    // 32 hex digits, another for each start; empty: never started
    std::string group;         // its control group: "/belay-apps.slice/belay-shop.service"
    std::string user;          // that it runs as; empty: root
    std::string restart;       // Restart=: no always on-failure …
    bool can_reload = false;
    bool has_job = false;              // something is to be done with it, as a start after a stop
    bool needs_daemon_reload = false;  // its file on disk is newer than what the manager has read
    // Of services; else as they stand.
    std::string result = "success";  // success exit-code signal core-dump oom-kill timeout …
    pid_t main_pid = 0;
    std::uint64_t restarts = 0;       // NRestarts: by the manager, since it was started
    std::optional<Exit> last_exit;    // of the main process; at, code and signal only
    TimePoint main_started_at{};      // ExecMainStartTimestamp
    std::optional<Error> load_error;  // of a unit that could not be loaded

    bool loaded() const { return load_state == "loaded"; }
    // Neither runs nor is on the way to.
    bool over() const { return active_state == "inactive" || active_state == "failed"; }
};

enum class KillWho { main, all };

// Loop thread only. All errors of Bus::call, and Errc::unavailable where systemd is not PID 1.
class Units {
  public:
    // `address` of the bus; empty: the system's.
    Units(boost::asio::any_io_executor executor, async::Timers& timers, std::string address = {});
    Units(const Units&) = delete;
    Units& operator=(const Units&) = delete;
    ~Units();

    // The manager answers; "252.39-1~deb12u1".
    Task<Result<std::string>> version();

    // Errc::not_found: no such unit, and no file of that name.
    Task<Result<UnitStatus>> status(std::string unit);
    // Names of units in memory that match a pattern as "belay-*.service".
    Task<Result<std::vector<std::string>>> list(std::string pattern);
    // All that live in its control group. Errc::not_found.
    Task<Result<std::vector<pid_t>>> processes(std::string unit);

    // These return when the manager's job has ended; Errc::conflict where it ended otherwise than
    // done, with its word ("failed", "canceled", "timeout", "dependency", "skipped") in the
    // message; Errc::timeout where it has not ended in time, and goes on. start() of an active unit
    // and stop() of one that is not are done at once.
    Task<Result<void>> start_transient(std::string unit, std::vector<UnitSetting> settings,
                                       Millis patience);
    Task<Result<void>> start(std::string unit, Millis patience);
    Task<Result<void>> stop(std::string unit, Millis patience);
    // Starts a unit that does not run.
    Task<Result<void>> restart(std::string unit, Millis patience);
    // Errc::invalid: the unit has no ExecReload=; Errc::conflict: it does not run.
    Task<Result<void>> reload(std::string unit, Millis patience);

    Task<Result<void>> kill(std::string unit, KillWho who, int signal);
    // A failed unit without a file leaves memory.
    Task<Result<void>> reset_failed(std::string unit);
    // While it is held a unit that has ended stays in memory, with how it ended; at most as long as
    // this object lives. A transient unit can be held from its start (AddRef).
    Task<Result<void>> hold(std::string unit);
    Task<Result<void>> let_go(std::string unit);

    // Reads all unit files again.
    Task<Result<void>> daemon_reload();
    // Makes and removes what [Install] of the files says, and reads them again.
    Task<Result<void>> enable(std::string unit);
    Task<Result<void>> disable(std::string unit);

    // Something of the unit changed, or was missed while the bus was away: ask status().
    [[nodiscard]] async::Subscription watch(const std::string& unit,
                                            std::function<void()> callback);

  private:
    class Manager;
    std::shared_ptr<Manager> manager_;
};

// The object of a unit on the bus [sd_bus_path_encode(3)].
std::string unit_path(const std::string& unit);

// Whether systemd is this machine's PID 1 [sd_booted(3)].
bool systemd_is_running();

}  // namespace belay::sys
