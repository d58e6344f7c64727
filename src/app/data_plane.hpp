// The proxy as a process of its own: started, kept, its listeners opened, without ever being the
// one that holds them.
#pragma once

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/domain/config.hpp>
#include <belay/ports/runtime.hpp>
#include <belay/ports/traffic.hpp>
#include <belay/sys/sockets.hpp>

#include <functional>
#include <string>
#include <vector>

namespace belay::app {

struct DataPlaneOptions {
    std::string executable;  // belay
    std::string directory;   // STATE/proxy: routes.json, nonce, control.sock, listeners.json
    std::string log_path;
    // The units that run the proxy and hold its listeners (belay-proxy); "": we start it under a
    // shim.
    std::string unit;
};

// Loop thread only. The proxy and its shim, or the service manager, which holds the listeners,
// outlive the daemon.
class DataPlane {
  public:
    DataPlane(boost::asio::any_io_executor executor, ports::Runtime& runtime, async::Timers& timers,
              DataPlaneOptions options);
    // After it had to be started anew: its listeners of apps are to be opened again.
    void on_restarted(std::function<void()> callback) { on_restarted_ = std::move(callback); }

    // Finds the proxy running, or starts it with the listeners of `server`. After runtime.adopt().
    Task<Result<void>> start(domain::ServerConfig server);
    // Where its control socket is.
    std::string control_socket() const { return options_.directory + "/control.sock"; }
    // A secret between daemon and proxy, made at the first start. Beside the directory where that
    // is another user's.
    Result<std::string> nonce() const;
    static std::string nonce_path(const std::string& directory, bool unit) {
        return unit ? directory + ".nonce" : directory + "/nonce";
    }

    // Opens what is asked for and not open yet, closes what no longer is where `close_others`, and
    // tells the proxy the settings; sentences for what could not be done.
    Task<std::vector<std::string>> open_listeners(ports::Traffic& traffic,
                                                  domain::ServerConfig server,
                                                  std::vector<std::string> app_listens,
                                                  bool close_others);
    // An address of the shared listeners at which this machine can be asked; empty: there is none.
    std::string address() const;
    // 0: it does not run, or is a unit's.
    int pid() const;
    // To be called for changes of its run: a proxy whose shim is gone too is started again.
    void on_run_change(const ports::RunInfo& info);
    // `belay shutdown` is under way: it must stay down.
    void let_go();

    static constexpr const char* kRunId = "proxy";

  private:
    Task<void> restart();
    static Task<Result<void>> no_record();
    Task<Result<void>> end_shimmed();
    bool is_open(const std::string& address) const;
    Task<std::vector<std::string>> close_all_but(ports::Traffic& traffic,
                                                 std::vector<std::string> wanted);
    void remember();

    ports::Runtime& runtime_;
    async::Timers& timers_;
    DataPlaneOptions options_;
    async::TaskGroup tasks_;
    domain::ServerConfig server_;
    std::vector<std::string> bound_;   // addresses as bound
    std::vector<std::string> shared_;  // [proxy] listen
    std::function<void()> on_restarted_;
    bool wanted_ = true;
    bool restarting_ = false;
};

}  // namespace belay::app
