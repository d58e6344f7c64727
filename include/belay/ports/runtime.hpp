// Keeping the processes of releases (and the proxy) running: what the engine needs, whatever does
// it.
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/error.hpp>
#include <belay/base/process.hpp>
#include <belay/base/time.hpp>
#include <belay/domain/config.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::ports {

// A listening socket to be handed over by LISTEN_FDS (sd_listen_fds(3)). The descriptor stays the
// caller's: it is duplicated during the call.
struct Listener {
    int fd = -1;
    std::string name;  // in LISTEN_FDNAMES; no ':' and no control characters, at most 63 bytes
};

// All that starting one process needs.
struct ProcessSpec {
    std::string
        run_id;  // "shop.12.web.1.3": app.release.process.instance.generation; [A-Za-z0-9._-]
    std::vector<std::string>
        argv;  // never holds a secret; argv[0] is looked up in the PATH of `env`
    std::vector<std::pair<std::string, std::string>>
        env;  // the whole of it, PORT and secrets included
    std::string cwd;
    std::optional<User> user;  // unset: as the daemon
    ProcessLimits limits;
    domain::ResourceLimits resources;  // of the whole tree, as far as the machine enforces them
    std::uint16_t port = 0;            // allotted by allot_port() before; 0: listens nowhere
    bool socket_activation = false;    // open 127.0.0.1:port and hand it over, named "http"
    std::vector<Listener> listeners;   // handed over before the one of socket_activation
    StopRule stop;
    std::string log_path;  // standard output and error, appended; created 0600
    RestartPolicy policy = RestartPolicy::never;
    Millis first_backoff{1'000};      // before the first restart; doubles up to a minute
    std::string runtime = "process";  // who keeps it running: belay's shim, or "systemd"
};

enum class RunState {
    running,  // its program (or what is left of a program that put itself in the background) runs
    backing_off,  // ended; its shim starts it again
    exited,       // over; last_exit says how
    gone,         // over; nobody saw how: shim and program are dead, or it is of an earlier boot
};
std::string_view to_string(RunState state);

struct RunInfo {
    std::string run_id;
    RunState state = RunState::running;
    pid_t pid = 0;  // of the program; 0 before the first start and between starts
    pid_t shim_pid = 0;
    std::uint16_t port = 0;
    RestartPolicy policy = RestartPolicy::never;
    std::uint64_t restarts = 0;  // starts after the first, by the shim
    std::optional<Exit> last_exit;
    TimePoint started_at{};  // of the run, not of the last start
    bool adopted = false;    // started by an earlier daemon, or:
    bool booted = false;     // by the machine, since the last daemon that knew of it
    bool shim_alive = true;  // false: runs on without anyone to restart it
};

// A socket that listens on a port.
struct PortListener {
    std::string address;  // "127.0.0.1:3000", "[::]:3000"
    std::uint16_t port = 0;
    bool ours = false;   // held by the run's own tree
    std::string holder;  // "node (pid 123)"; empty where it can't be seen
};

// Who listens where, of a run and its port.
struct ListenerReport {
    std::vector<PortListener> on_port;    // everybody's, v4 and v6
    std::vector<PortListener> elsewhere;  // the run's own, on other ports

    // Somebody listens on the port, and only the run does.
    bool owned() const {
        for (const auto& listener : on_port)
            if (!listener.ours) return false;
        return !on_port.empty();
    }
};
// One sentence for people: "candidate listens on 127.0.0.1:3000, not on PORT 41234: make it use
// $PORT".
std::string explain(const ListenerReport& report, std::uint16_t port);

// Makes the start durable; the program runs only if this succeeds. `info` has the shim's pid, and
// pid 0.
using BeforeGo = std::function<Task<Result<void>>(const RunInfo& info)>;

// Loop thread only. What it starts survives the daemon; adopt() finds it again.
class Runtime {
  public:
    virtual ~Runtime() = default;

    // Returns when the program has been executed. Errors leave no process and no directory:
    // Errc::conflict (the run exists), Errc::invalid (no such program, unreadable directory, …, as
    // a sentence), Errc::internal; and whatever before_go returned.
    virtual Task<Result<RunInfo>> start(ProcessSpec spec, BeforeGo before_go) = 0;

    // Every run that an earlier daemon left: the living are watched from now on, the dead are
    // reported as exited or gone until forget(). Runs that can't be read are logged, never
    // signalled. Call once, before start().
    virtual Task<Result<std::vector<RunInfo>>> adopt() = 0;

    // Durable in the shim. Errc::not_found, Errc::conflict (over already, or nobody is left to keep
    // the policy).
    virtual Task<Result<void>> set_policy(std::string run_id, RestartPolicy policy) = 0;

    // By the run's stop rule. Returns when the whole tree is dead. Success where it was dead
    // already; Errc::not_found, Errc::timeout (something of it can't be killed).
    virtual Task<Result<void>> stop(std::string run_id) = 0;

    // More listening sockets for the program's next start. Errc::not_found, conflict, limit.
    virtual Task<Result<void>> add_listeners(std::string run_id,
                                             std::vector<Listener> listeners) = 0;

    // A signal to the program itself. Errc::not_found, Errc::conflict (not running).
    virtual Task<Result<void>> signal(std::string run_id, int number) = 0;

    // What of the app the machine's own start-up starts again, at the same ports, whether or not
    // Belay comes up then: these runs and no others; none: nothing. Durable. Runs that this runtime
    // can't have started so are the daemon's to start, and no error.
    virtual Task<Result<void>> start_at_boot(std::string app, std::vector<std::string> run_ids) = 0;

    // Called on every start, exit, backing off and end, of adopted ones too. Replaces the one
    // before; may call back in.
    virtual void on_change(std::function<void(const RunInfo&)> callback) = 0;

    // Errc::not_found.
    virtual Result<RunInfo> info(const std::string& run_id) const = 0;
    virtual std::vector<RunInfo> runs() const = 0;

    // Removes a run that is over, with its directory; its port is free again. Errc::conflict while
    // it lives.
    virtual Task<Result<void>> forget(std::string run_id) = 0;

    // Who listens on the port, and what the run's tree listens on instead. Errc::not_found,
    // Errc::internal.
    virtual Task<Result<ListenerReport>> listeners(std::string run_id, std::uint16_t port) = 0;

    // A port that nobody listens on, v4 and v6, held until release_port() or forget() of its run;
    // `preferred` if that is free (0: any). Errc::limit names the range.
    virtual Result<std::uint16_t> allot_port(std::uint16_t preferred) = 0;
    virtual void release_port(std::uint16_t port) = 0;
};

}  // namespace belay::ports
