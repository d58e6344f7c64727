// A child that outlives us: an app's process, the proxy. Its shim keeps it up; another daemon can
// adopt it.
#pragma once

#include <belay/async/task.hpp>
#include <belay/async/timers.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/shim.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

namespace belay::sys {

struct ServiceSpec {
    std::string run_id;  // names the directory
    Program program;
    std::string log_path;  // appended; created 0600
    RestartPolicy policy = RestartPolicy::never;
    std::uint16_t port = 0;  // remembered in the run directory
};

enum class ServiceState {
    waiting,  // for go()
    running,
    backing_off,
    exited,  // over, and last_exit was seen
    gone,    // over, nobody saw how
};

struct ServiceStatus {
    ServiceState state = ServiceState::waiting;
    ProcessIdentity shim;
    pid_t pid = 0;  // of the program; 0 while it doesn't run
    std::uint64_t restarts = 0;
    RestartPolicy policy = RestartPolicy::never;
    std::optional<Exit> last_exit;
    TimePoint started_at{};
    std::uint16_t port = 0;
    bool shim_alive = true;
    bool adopted = false;

    bool over() const { return state == ServiceState::exited || state == ServiceState::gone; }
};

// Loop thread only. Destroying it lets go of the process and leaves it running.
class Service {
  public:
    // Makes `directory` (its parent exists) with spec, identity, exit, policy and s; returns when
    // the shim has reported itself. Nothing runs before go(): if this object or the daemon goes,
    // the shim ends and runs nothing.
    static Task<Result<Service>> start(boost::asio::any_io_executor executor, async::Timers& timers,
                                       std::string shim_path, std::filesystem::path directory,
                                       ServiceSpec spec);

    // Takes up what an earlier daemon left in a run directory. Dead ones succeed too, and are over.
    // Signals nothing that boot id, start time and token don't prove to be ours. Errc::invalid: the
    // directory can't be understood.
    static Task<Result<Service>> adopt(boost::asio::any_io_executor executor, async::Timers& timers,
                                       std::filesystem::path directory);

    Service(Service&&) noexcept;
    Service& operator=(Service&&) noexcept;
    ~Service();

    // Lets the program run; returns when it has been executed. Errc::invalid: it can't be, with the
    // reason.
    Task<Result<void>> go();

    const std::string& run_id() const;
    const ServiceStatus& status() const;
    // That it was started in; none where it has none of its own.
    const Cgroup& group() const;
    // Called whenever the status has changed: starts, exits, backing off, death of the shim, the
    // end.
    void on_change(std::function<void()> callback);

    // Errc::conflict: over, or its shim is dead.
    Task<Result<void>> set_policy(RestartPolicy policy);
    Task<Result<void>> signal(int number);
    Task<Result<void>> add_listeners(std::vector<NamedFd> listeners);

    // By the stop rule; returns when the tree is dead, also without a shim. Errc::timeout:
    // something survives KILL.
    Task<Result<void>> stop();
    // Returns when it is over.
    Task<void> wait();

    // Inodes of all sockets that the tree holds; asked of the shim where /proc is closed to us.
    Task<Result<std::vector<std::uint64_t>>> socket_inodes();

  private:
    class State;
    explicit Service(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

// Removes the directory of a run of which nothing can run: it has no readable spec, which is
// written before the shim starts, and no process lives that its identity names. There a daemon died
// while it made or removed one, or a power cut tore it; it would be in the way of that run for
// ever. False: it is no such directory, or it could not be removed.
bool remove_abandoned_run(const std::filesystem::path& directory);

}  // namespace belay::sys
