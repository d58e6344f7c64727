#include "serve.hpp"

#include "data_plane.hpp"
#include "database_care.hpp"
#include "limits.hpp"
#include "log_bounds.hpp"
#include "measurements.hpp"

#include <belay/async/task_group.hpp>
#include <belay/base/log.hpp>
#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/engine/engine.hpp>
#include <belay/forge/forge.hpp>
#include <belay/forge/status.hpp>
#include <belay/git/child_source.hpp>
#include <belay/health/prober.hpp>
#include <belay/http/server.hpp>
#include <belay/metrics/exposition.hpp>
#include <belay/notify/notifier.hpp>
#include <belay/proxy/control_client.hpp>
#include <belay/release/releases.hpp>
#include <belay/runtime/notify_sockets.hpp>
#include <belay/runtime/process_runtime.hpp>
#include <belay/runtime/runtimes.hpp>
#include <belay/runtime/system_units.hpp>
#include <belay/runtime/systemd_runtime.hpp>
#include <belay/stage/child_stages.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/instance_lock.hpp>
#include <belay/sys/open_files.hpp>
#include <belay/sys/service_manager.hpp>
#include <belay/sys/shim.hpp>
#include <belay/sys/sockets.hpp>
#include <belay/sys/units.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <climits>
#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <regex>
#include <unistd.h>

namespace belay::app {
namespace {

namespace asio = boost::asio;

std::string executable_path() {
    char buffer[PATH_MAX];
    auto length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
    if (length <= 0) throw ErrorException(errno_error(errno, "finding our own executable"));
    std::string path(buffer, static_cast<std::size_t>(length));
    // Replaced by an upgrade while it ran: the new one is at the same place.
    if (auto mark = path.find(" (deleted)"); mark != path.npos) path.resize(mark);
    return path;
}

std::string timezone_name() {
    if (const char* set = std::getenv("TZ"); set && *set) return set;
    std::error_code failure;
    auto link = std::filesystem::read_symlink("/etc/localtime", failure).string();
    auto mark = link.find("/zoneinfo/");
    return failure || mark == link.npos ? "UTC" : link.substr(mark + 10);
}

// Apps' users pass through to what is theirs; what is Belay's alone is closed.
Result<void> make_state_directories(const std::string& state) {
    if (auto made = sys::make_directories(state, 0711); !made) return made.error();
    for (const auto* open : {"releases", "git", "cache", "shared", "logs"})
        if (auto made = sys::make_directories(state + "/" + open, 0711); !made) return made.error();
    for (const auto* closed : {"run", "live", "proxy", "secrets", "spool"})
        if (auto made = sys::make_directories(state + "/" + closed, 0700); !made)
            return made.error();
    if (::access(state.c_str(), W_OK | X_OK) != 0)
        return errno_error(errno, fmt::format("the state directory {} can't be written", state));
    return {};
}

std::string host_name() {
    char name[HOST_NAME_MAX + 1] = {};
    return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "this machine";
}

template <class T>
T required(Result<T> result) {
    if (!result) throw ErrorException(result.error());
    return std::move(*result);
}

std::string absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
}

// Where stages keep what they are known by, beside the directories of runs.
constexpr const char* kStages = "stages";

// A copy of the last belay.toml without errors, for a start with a broken one.
constexpr const char* kValidCopy = "/belay.toml.valid";

// False where belay.toml has errors or isn't there.
bool keep_valid(const std::string& config_path, const std::string& state) {
    auto text = sys::read_file(config_path, 1 << 20);
    if (!text) return false;
    auto kept = sys::read_file(state + kValidCopy, 1 << 20);
    if (kept && *kept == *text) return true;
    auto loaded = config::make_source(config_path)->load();
    if (!loaded.server) return false;
    auto written = sys::write_file(state + kValidCopy, *text, 0600);
    if (!written)
        log::warning("the valid configuration was not kept", {{"error", written.error().message}});
    return true;
}

// What a broken belay.toml was before: where its state lies can still be read of most, and there
// lies the copy.
domain::ServerConfig last_valid(const std::string& config_path,
                                const config::Surroundings& surroundings) {
    auto server = config::default_server(surroundings, config_path);
    auto text = sys::read_file(config_path, 1 << 20);
    std::smatch found;
    if (text && std::regex_search(*text, found,
                                  std::regex("(^|\\n)[ \\t]*state[ \\t]*=[ \\t]*\"([^\"\\n]+)\"")))
        server.state = found[2];
    const auto copy = server.state + kValidCopy;
    if (!std::filesystem::exists(copy)) return server;
    auto loaded = config::make_source(copy, surroundings)->load();
    if (!loaded.server) return server;
    log::warning("belay.toml has errors: the settings of the last valid one are in force",
                 {{"copy", copy}});
    return *loaded.server;
}

class Daemon {
  public:
    explicit Daemon(const std::string& config_path)
        : surroundings_(config::current_surroundings()),
          config_path_(absolute(config_path.empty() ? config::default_config_path(surroundings_)
                                                    : config_path)),
          config_(config::make_source(config_path_, surroundings_)),
          server_(first_settings()),
          lock_(take_state()),
          executable_(executable_path()),
          shim_(required(sys::find_shim())),
          proxy_unit_(surroundings_.variable("BELAY_PROXY_UNIT")),
          groups_(sys::Cgroups::open(group_place(server_.state, surroundings_))),
          timers_(async::make_timers(loop_.get_executor())),
          tasks_(loop_.get_executor()),
          systemd_(loop_.get_executor(), *timers_),
          runtime_(make_runtime()),
          notify_sockets_(
              runtime::make_notify_sockets(loop_.get_executor(), server_.state + "/notify")),
          data_plane_(
              loop_.get_executor(), *runtime_, *timers_,
              {executable_, proxy_directory(), server_.state + "/logs/proxy.log", proxy_unit_}),
          traffic_(loop_.get_executor(), *timers_, {data_plane_.control_socket()}),
          source_(git::make_child_source(loop_.get_executor(), {executable_, shim_})),
          stages_(stage::make_child_stages(loop_.get_executor(), *timers_,
                                           {executable_, shim_, server_.state + "/run/" + kStages,
                                            server_.uids.first, server_.uids.last, groups_})),
          releases_(release::make_releases({server_.state})),
          prober_(health::make_prober(loop_.get_executor(), *timers_, shim_)),
          units_(runtime::make_system_units(loop_.get_executor(), *timers_)),
          care_(loop_.get_executor(), *timers_, server_.state,
                [this](std::string why) { tasks_.spawn("again", begin_again(std::move(why))); }),
          log_bounds_(loop_.get_executor(), *timers_, server_.state),
          notifier_(notify::make_notifier(loop_.get_executor(), *timers_, notify_options())),
          engine_(engine::make_engine(world(), engine_options(), hooks())),
          signals_(loop_.get_executor(), SIGTERM, SIGINT, SIGHUP) {}

    int run() {
        wait_for_signal();
        tasks_.spawn("start", start());
        loop_.run();
        return exit_code_;
    }

  private:
    domain::ServerConfig first_settings() {
        auto loaded = config_->load();
        for (const auto& complaint : loaded.complaints)
            if (!complaint.warning)
                log::error("configuration", {{"complaint", complaint.to_string()}});
        auto server = loaded.server ? *loaded.server : last_valid(config_path_, surroundings_);
        server.state = absolute(server.state);
        return server;
    }

    std::unique_ptr<ports::Runtime> make_runtime() {
        auto pool = std::make_shared<sys::PortPool>(
            sys::PortRange{static_cast<std::uint16_t>(server_.ports.first),
                           static_cast<std::uint16_t>(server_.ports.last)});
        runtime::ProcessRuntimeOptions processes;
        processes.run_directory = server_.state + "/run";
        processes.shim_path = shim_;
        processes.ports = pool;
        processes.others = {kStages};
        processes.groups = groups_;
        processes.first_uid = server_.uids.first;
        processes.last_uid = server_.uids.last;
        runtime::SystemdRuntimeOptions services;
        services.directory = server_.state + "/units";
        services.ports = pool;
        return runtime::make_runtimes(
            required(runtime::make_process_runtime(loop_.get_executor(), *timers_,
                                                   std::move(processes))),
            required(runtime::make_systemd_runtime(loop_.get_executor(), *timers_, systemd_,
                                                   std::move(services))));
    }

    void hear_what_runs() {
        std::vector<std::string> runs;
        for (auto& info : runtime_->runs())
            runs.push_back(std::move(info.run_id));
        if (auto taken = notify_sockets_->take_over(runs); !taken)
            log::warning("what processes say is not heard", {{"error", taken.error().message}});
    }

    // A unit says where its state is; that is not ours to move.
    std::string proxy_directory() const {
        return proxy_unit_.empty() ? server_.state + "/proxy" : "/var/lib/belay/proxy";
    }

    sys::InstanceLock take_state() {
        if (auto made = make_state_directories(server_.state); !made)
            throw ErrorException(made.error());
        return required(sys::InstanceLock::take(server_.state + "/lock"));
    }

    engine::World world() {
        return {loop_.get_executor(),
                *timers_,
                *source_,
                *stages_,
                *releases_,
                *runtime_,
                traffic_,
                *prober_,
                *units_,
                *config_,
                notifier_.get(),
                &forge::forge_directory(),
                notify_sockets_.get()};
    }

    notify::Options notify_options() {
        notify::Options options;
        options.shim = shim_;
        options.host = host_name();
        if (server_.expose != "hooks") options.link = server_.public_url;
        options.resolve = [this](const domain::SecretRef& secret) {
            return config_->resolve(secret);
        };
        options.statuses = &forge::status_forges();
        options.status_token = [this](const std::string& app) {
            return engine_->status_token(app);
        };
        return options;
    }

    engine::EngineOptions engine_options() {
        engine::EngineOptions options;
        options.server = server_;
        options.state_directory = server_.state;
        options.config_directory = std::filesystem::path(config_path_).parent_path();
        options.nonce = required(data_plane_.nonce());
        options.separate_users = surroundings_.root();
        if (auto lacking = unenforced_limits(groups_.support(), surroundings_); !lacking.empty())
            options.lacking_limits = lacking + "; " + groups_.support().cure;
        options.timezone = timezone_name();
        options.version = BELAY_VERSION;
        return options;
    }

    engine::Hooks hooks() {
        engine::Hooks hooks;
        hooks.open_listeners = [this](domain::ServerConfig server,
                                      std::vector<std::string> app_listens) {
            if (http_) configure_doors(server);
            server_.disk_reserve = server.disk_reserve;
            notifier_->set_channels(server.channels);
            // What a broken file asks for is not known: nothing is closed for it.
            const bool valid = keep_valid(config_path_, server_.state);
            return data_plane_.open_listeners(traffic_, std::move(server), std::move(app_listens),
                                              valid);
        };
        hooks.proxy_pid = [this] {
            return proxy_unit_.empty() ? data_plane_.pid() : traffic_.proxy_pid();
        };
        hooks.on_other_run = [this](const ports::RunInfo& info) {
            data_plane_.on_run_change(info);
        };
        hooks.proxy_address = [this] { return data_plane_.address(); };
        hooks.prune_logs = [this](const std::string& app, Millis keep) {
            prune_logs(server_.state, app, keep);
        };
        hooks.let_proxy_go = [this] { data_plane_.let_go(); };
        hooks.restore = [this](std::string file) { return care_.restore(std::move(file)); };
        hooks.exit = [this] {
            exit_code_ = sys::exit_status_for_good();
            tasks_.spawn("stop", stop());
        };
        return hooks;
    }

    // What serves comes first; then the record and the configuration; then the doors
    // (spec/decisions.md 14).
    Task<void> start() {
        log::info("belay is starting",
                  {{"version", BELAY_VERSION}, {"state", server_.state}, {"config", config_path_}});
        if (!surroundings_.root())
            log::warning("not root: builds and apps run as this user and can read what it can");
        if (auto lacking = unenforced_limits(groups_.support(), surroundings_); !lacking.empty())
            log::warning(lacking, {{"cure", groups_.support().cure}});
        else
            log::info("limits of apps are enforced", {{"groups", groups_.support().where}});
        auto adopted = co_await runtime_->adopt();
        if (!adopted)
            log::error("what runs could not be read", {{"error", adopted.error().message}});
        hear_what_runs();
        data_plane_.on_restarted([this] { tasks_.spawn("listeners", reload()); });
        log_bounds_.start();
        auto proxy = co_await data_plane_.start(server_);
        if (!proxy) log::error(proxy.error().message);
        traffic_.start();
        co_await engine_->boot();
        store_ = care_.open();
        if (!store_) log::error("no new work is taken", {{"error", care_.problem()}});
        notifier_->set_channels(server_.channels);
        if (store_) notifier_->start(*store_);
        co_await engine_->load(store_.get(), care_.problem());
        co_await open_doors();
        care_.start(store_.get(), [this] { return server_.disk_reserve; });
    }

    static http::Settings door_settings(const domain::ServerConfig& server) {
        http::Settings settings;
        settings.hook_body = server.hook_body;
        settings.tls_cert = server.tls_cert;
        settings.tls_key = server.tls_key;
        settings.metrics = server.metrics;
        for (const auto& text : server.trusted_proxies)
            if (auto range = Cidr::parse(text)) settings.trusted_proxies.push_back(*range);
        return settings;
    }

    void configure_doors(const domain::ServerConfig& server) {
        server_.tls_cert = server.tls_cert;
        auto configured = http_->configure(door_settings(server));
        if (!configured) log::error("server.tls", {{"error", configured.error().message}});
    }

    Task<http::Exposition> look_at_metrics() {
        const Measured measured{*engine_, traffic_,      *notifier_,           care_,
                                *http_,   server_.state, server_.disk_reserve, server_.tls_cert};
        auto looked = co_await look_at(measured);
        auto facts = std::make_shared<const metrics::Facts>(std::move(looked));
        http::Exposition write = [facts] { return metrics::exposition(*facts); };
        co_return write;
    }

    Task<void> open_doors() {
        http::Options options;
        options.look_at_metrics = [this] { return look_at_metrics(); };
        static_cast<http::Settings&>(options) = door_settings(server_);
        options.spool = server_.state + "/spool";
        std::vector<http::Listener> listeners;
        auto local =
            sys::make_directories(std::filesystem::path(server_.socket).parent_path(), 0755);
        if (!local)
            log::error("the socket's directory can't be made", {{"error", local.error().message}});
        auto socket = sys::listen_unix(server_.socket, 0600);
        if (socket) {
            if (!server_.group.empty()) {
                auto shared = http::share_with_group(server_.socket, server_.group);
                if (shared)
                    options.deploy_group = *shared;
                else
                    log::debug("the socket is root's alone", {{"why", shared.error().message}});
            }
            listeners.push_back({socket->release(), true});
        } else {
            log::error("the command line can't reach this daemon",
                       {{"error", socket.error().message}});
        }
        bool hooks_open = false;
        auto listening = sys::listen_tcp(server_.listen);
        if (listening) {
            for (auto& one : *listening)
                listeners.push_back({one.fd.release(), false});
            hooks_open = true;
        } else {
            log::error("webhooks can't be received",
                       {{"listen", server_.listen}, {"error", listening.error().message}});
        }
        const bool anything_live = !engine_->apps().empty() && anything_runs();
        if ((!hooks_open || listeners.empty()) && !anything_live) {
            exit_code_ = 1;
            co_await leave();
            co_return;
        }
        http_ = std::make_unique<http::Server>(loop_.get_executor(), *engine_, forge::table(),
                                               store_.get(), options);
        http_->start(listeners);
        log::info("belay is ready", {{"listen", server_.listen}, {"socket", server_.socket}});
        ready_ = true;
        tell_ready();
        if (auto interval = sys::watchdog_interval(); interval.count() > 0)
            tasks_.spawn("watchdog", feed_watchdog(interval / 3));
    }

    void tell_ready() {
        auto problems = engine_->server_status().problems;
        sys::notify_ready(problems.empty() ? "pushes go live" : problems.front());
    }

    // The service manager restarts a daemon whose loop or whose database stands still.
    Task<void> feed_watchdog(Millis pause) {
        while (!stopping_) {
            // A database that refuses is told of by `status`, as a restart would not mend it; one
            // that does not answer holds this up.
            if (store_) {
                auto answered = co_await store_->deployment(DeploymentId{});
                if (!answered) log::debug("watchdog", {{"error", answered.error().message}});
            }
            sys::notify_alive();
            co_await timers_->sleep(pause);
        }
    }

    bool anything_runs() {
        for (const auto& app : engine_->apps())
            if (!app.processes.empty()) return true;
        return false;
    }

    void wait_for_signal() {
        signals_.async_wait([this](boost::system::error_code failure, int signal) {
            if (failure) return;
            if (signal == SIGHUP) {
                tasks_.spawn("reload", reload());
            } else if (stopping_) {
                std::_Exit(0);  // asked twice
            } else {
                log::info("stopping; the proxy and live releases run on",
                          {{"signal", fmt::to_string(signal)}});
                tasks_.spawn("stop", stop());
            }
            wait_for_signal();
        });
    }

    Task<void> reload() {
        if (ready_) sys::notify_reloading();
        auto report = co_await engine_->reload();
        if (ready_) tell_ready();
        if (!report) {
            log::error("reload failed", {{"error", report.error().message}});
            co_return;
        }
        for (const auto& complaint : report->complaints)
            if (!complaint.warning)
                log::error("configuration", {{"complaint", complaint.to_string()}});
        for (const auto& [app, change] : report->changes)
            log::info("configuration", {{"app", app}, {"change", change}});
        log::info(report->ok ? "configuration reloaded"
                             : "configuration reloaded in part: the last valid one stays "
                               "in force where there are errors");
    }

    Task<void> stop() {
        stopping_ = true;
        sys::notify_stopping();
        if (http_) co_await http_->stop(Millis{2'000});
        co_await leave();
    }

    // What is under way is taken up by the new process, as after a crash.
    Task<void> begin_again(std::string why) {
        if (stopping_) co_return;
        log::warning("belay begins again; the proxy and live releases run on", {{"why", why}});
        again_ = true;
        co_await stop();
    }

    // The same process to whoever watches over it. All descriptors close by themselves.
    void replace_process() {
        std::vector<std::string> words{executable_, "serve", "--config", config_path_};
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        ::execv(executable_.c_str(), argv.data());
        log::error("belay can't begin again: start it", {{"error", std::strerror(errno)}});
        exit_code_ = 1;
    }

    // Coroutines of deployments are left where they are: the next start takes them up as after a
    // crash.
    Task<void> leave() {
        co_await notifier_->close(Millis{2'000});
        co_await engine_->close();  // the store with it: no backup is waited for
        co_await care_.close();
        groups_.close();
        if (again_) replace_process();
        log::info("belay has stopped");
        std::_Exit(exit_code_);
    }

    config::Surroundings surroundings_;
    std::string config_path_;
    std::unique_ptr<ports::ConfigSource> config_;
    domain::ServerConfig server_;
    sys::InstanceLock lock_;
    std::string executable_;
    std::string shim_;
    std::string proxy_unit_;  // see DataPlaneOptions
    sys::Cgroups groups_;
    asio::io_context loop_{1};
    std::unique_ptr<async::Timers> timers_;
    async::TaskGroup tasks_;
    sys::Units systemd_;
    std::unique_ptr<ports::Runtime> runtime_;
    std::unique_ptr<runtime::NotifySockets> notify_sockets_;
    DataPlane data_plane_;
    proxy::ControlClient traffic_;
    std::unique_ptr<ports::Source> source_;
    std::unique_ptr<ports::Stages> stages_;
    std::unique_ptr<ports::Releases> releases_;
    std::unique_ptr<ports::Prober> prober_;
    std::unique_ptr<ports::Units> units_;
    DatabaseCare care_;
    LogBounds log_bounds_;
    std::unique_ptr<notify::Notifier> notifier_;
    std::unique_ptr<engine::Engine> engine_;
    asio::signal_set signals_;
    std::unique_ptr<ports::Store> store_;
    std::unique_ptr<http::Server> http_;
    bool ready_ = false;
    bool stopping_ = false;
    bool again_ = false;
    int exit_code_ = 0;
};

}  // namespace

int serve(const std::string& config_path) {
    try {
        // Connections, files of deployments, sockets of runs: the usual soft limit of 1024 is below
        // what a flood of connections may take.
        sys::raise_open_files();
        Daemon daemon(config_path);
        return daemon.run();
    } catch (const ErrorException& failure) {
        log::error("belay can't start", {{"error", failure.error().message}});
        return 1;
    }
}

}  // namespace belay::app
