// A systemd service of the user's that a release's processes are (systemd.service(5),
// org.freedesktop.systemd1(5)): its name, and what its state says of the release.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/process.hpp>
#include <belay/domain/deployment.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace belay::domain {

// The name as it came, where it is one of a service: "shop.service", "shop@2.service".
// Errc::invalid says what is wrong with it.
Result<std::string> check_unit_name(std::string_view text);

// With which systemd itself ends a program before it has begun (systemd.exec(5), "Process exit
// codes"): its directory could not be entered, or it not be executed.
inline constexpr int kExitDirectory = 200;
inline constexpr int kExitExec = 203;

// How systemd sees it at one moment, in its own words.
struct UnitState {
    std::string load;    // loaded, not-found, masked, bad-setting, error
    std::string active;  // active, reloading, inactive, failed, activating, deactivating
    std::string sub;     // running, exited, auto-restart, ...
    std::string result;  // of its last end: success, exit-code, signal, oom-kill, ...
    bool can_reload = false;
    bool has_job = false;        // something is to be done with it, as a start after a stop
    pid_t main_pid = 0;          // 0: none runs
    std::uint64_t restarts = 0;  // by systemd itself, since it was started by somebody
    std::string invocation;      // of its present start; 32 hexadecimal digits, or empty
    std::optional<Exit> ended;   // its last main process, where it has ended

    bool up() const { return active == "active" || active == "reloading"; }
    // As far as an end of it is told by that, it is the same as before.
    bool same_end(const UnitState& other) const {
        return active == other.active && sub == other.sub && invocation == other.invocation &&
               restarts == other.restarts;
    }
};

// What became of it since it was looked at before.
struct UnitChange {
    enum class Kind {
        none,
        renewed,  // another process is the main one, by somebody's hand or its own doing
        ended,    // it does not run, or not without having ended meanwhile
    };
    Kind kind = Kind::none;
    Failure failure;  // of Kind::ended: reason, sentence and exit

    bool ended() const { return kind == Kind::ended; }
};
// `before` none: nothing was seen of it yet.
UnitChange compare(const std::string& name, const std::optional<UnitState>& before,
                   const UnitState& now);

// Why nothing can be done with it at all, with the cure; empty where it can.
std::string unusable(const std::string& name, const UnitState& state, std::string_view action);

}  // namespace belay::domain
