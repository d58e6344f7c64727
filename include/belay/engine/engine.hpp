// The pipeline engine: takes pushes, drives deployments, keeps what is live up.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/engine/api.hpp>
#include <belay/engine/figures.hpp>
#include <belay/ports/config_source.hpp>
#include <belay/ports/forge_directory.hpp>
#include <belay/ports/health.hpp>
#include <belay/ports/outbox.hpp>
#include <belay/ports/readiness.hpp>
#include <belay/ports/releases.hpp>
#include <belay/ports/runtime.hpp>
#include <belay/ports/source.hpp>
#include <belay/ports/stages.hpp>
#include <belay/ports/store.hpp>
#include <belay/ports/traffic.hpp>
#include <belay/ports/units.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace belay::engine {

// All that the engine works with; everything outlives it.
struct World {
    boost::asio::any_io_executor executor;
    async::Timers& timers;
    ports::Source& source;
    ports::Stages& stages;
    ports::Releases& releases;
    ports::Runtime& runtime;
    ports::Traffic& traffic;
    ports::Prober& prober;
    ports::Units& units;
    ports::ConfigSource& config;
    ports::Outbox* outbox = nullptr;                       // null: nobody is told of anything
    const ports::ForgeDirectory* status_forges = nullptr;  // null: no forge is told of commits
    ports::Readiness* readiness = nullptr;                 // null: nobody hears what processes say
};

struct EngineOptions {
    domain::ServerConfig server;  // in force until a valid one is read
    std::string state_directory;
    std::string config_directory;  // where known_hosts and secrets/ lie
    std::string nonce;             // the proxy's, for the probe after a switch
    bool separate_users = false;   // the daemon can change uids
    std::string lacking_limits;    // which limits the machine does not enforce, why, and the cure
    std::string timezone = "UTC";
    std::string version;
};

// What `app` does for the engine where the data plane's listeners are concerned.
struct Hooks {
    // Opens what the configuration asks for and isn't open yet, closes what it no longer asks for;
    // sentences for what could not be done.
    std::function<Task<std::vector<std::string>>(domain::ServerConfig,
                                                 std::vector<std::string> app_listens)>
        open_listeners;
    std::function<int()> proxy_pid;
    // Changes of runs that are no release's.
    std::function<void(const ports::RunInfo&)> on_other_run;
    // Removes the app's logs that are older than this, but for those of releases that still are on
    // disk.
    std::function<void(const std::string& app, Millis keep)> prune_logs;
    // `belay shutdown` ends the proxy: it must not be started again.
    std::function<void()> let_proxy_go;
    // Lays a backup ready and has the daemon begin again with it; errors as Api::restore().
    std::function<Task<Result<void>>(std::string file)> restore;
    // Ends the daemon after `belay shutdown`.
    std::function<void()> exit;
    // Where a probe through the proxy goes: an address of [proxy] listen, or "".
    std::function<std::string()> proxy_address;
};

// Loop thread only. Start-up, after the runtime has adopted what runs: boot(), then load().
class Engine : public Api {
  public:
    // Adopts or starts every live release from live/*.json alone: no database, configuration, git
    // or network. Returns when each answers its first probe or its time for that is up.
    virtual Task<void> boot() = 0;
    // Takes up the record and the configuration: reconciles, resumes what was interrupted, and
    // accepts work from then on. `store` null: the database can't be used; `problem` says why, and
    // no new work is taken.
    virtual Task<void> load(ports::Store* store, std::string problem) = 0;
    // Stops taking work and waits for what must not be torn: acts in flight, not builds (their
    // shims end them).
    virtual Task<void> close() = 0;
    // [status] token of the app's configuration in force. Errc::not_found: there is none.
    virtual Result<Secret> status_token(const std::string& app) = 0;
    // Since the engine was made.
    virtual Figures figures() = 0;
};

std::unique_ptr<Engine> make_engine(World world, EngineOptions options, Hooks hooks);

}  // namespace belay::engine
