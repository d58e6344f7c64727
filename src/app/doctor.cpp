#include "doctor.hpp"

#include "limits.hpp"
#include "unit_findings.hpp"

#include <belay/async/timers.hpp>
#include <belay/cli/cli.hpp>
#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/service_manager.hpp>
#include <belay/sys/sockets.hpp>
#include <belay/sys/units.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::app {
namespace {

namespace fs = std::filesystem;

using Level = Finding::Level;

struct Examined {
    std::string config_path;
    config::Beside beside;
    domain::ServerConfig server;
    std::string in_units;  // an app with runtime = "systemd"; empty: there is none
};

using Findings = std::vector<Finding>;

constexpr const char* kGone = " (deleted)";  // of /proc/PID/exe, after an upgrade

Findings configuration(const Examined& it) {
    auto complaints = config::check(it.config_path, {});
    const auto errors = std::count_if(complaints.begin(), complaints.end(),
                                      [](const auto& one) { return !one.warning; });
    if (errors == 0) return {{Level::good, "configuration", it.config_path + " is valid", ""}};
    return {{Level::bad, "configuration",
             fmt::format("the configuration has {} error{}: the last valid one stays in force",
                         errors, errors == 1 ? "" : "s"),
             "belay check says where"}};
}

Findings daemon(const Examined& it) {
    auto connected = sys::connect_unix(it.server.socket);
    if (connected) return {{Level::good, "daemon", "it answers at " + it.server.socket, ""}};
    const bool absent = connected.error().code == Errc::not_found;
    return {{Level::bad, "daemon",
             fmt::format("the daemon does not answer: {}",
                         absent ? "there is no " + it.server.socket : connected.error().message),
             fs::exists("/lib/systemd/system/belay.service")
                 ? "systemctl start belay; journalctl -u belay says why it does not run"
                 : "belay serve"}};
}

// Whether what runs is what is installed.
Finding program_of(const std::string& unit, const std::string& pid, const std::string& cure) {
    std::error_code failure;
    auto program = fs::read_symlink("/proc/" + pid + "/exe", failure).string();
    if (!failure && program.ends_with(kGone))
        return {Level::warning, "units", unit + " runs the program of before the last upgrade",
                cure};
    return {Level::good, "units", unit + " runs", ""};
}

Finding unit(const std::string& name, const std::string& renewal) {
    auto found = sys::unit_properties(name, {"LoadState", "ActiveState", "MainPID"});
    if (!found) return {Level::warning, "units", found.error().message, "is systemd well?"};
    auto& properties = *found;
    if (properties["LoadState"] != "loaded")
        return {Level::bad, "units", name + " is " + properties["LoadState"],
                "systemctl unmask " + name + ", or install the package again"};
    if (properties["ActiveState"] != "active")
        return {
            Level::bad, "units", name + " is " + properties["ActiveState"],
            fmt::format("systemctl start {0}; journalctl -u {0} says why it does not run", name)};
    return program_of(name, properties["MainPID"], renewal);
}

Finding boot() {
    auto found = sys::unit_properties("belay.service", {"UnitFileState"});
    if (found && (*found)["UnitFileState"] != "enabled")
        return {Level::bad, "units", "belay.service does not start at boot, nor does anything live",
                "systemctl enable belay"};
    return {Level::good, "units", "belay.service starts at boot", ""};
}

Findings units(const Examined& it) {
    if (!fs::exists("/run/systemd/system") || !fs::exists("/lib/systemd/system/belay.service"))
        return {};
    Findings all;
    all.push_back(unit("belay.service", "systemctl restart belay (users notice nothing)"));
    all.push_back(boot());
    all.push_back(
        unit("belay-proxy.service", "systemctl reload belay-proxy (users notice nothing)"));
    auto socket = sys::unit_properties("belay-proxy.socket", {"ActiveState", "Result"});
    if (socket && !it.server.proxy_listen.empty() && (*socket)["ActiveState"] != "active")
        all.push_back({Level::warning, "units",
                       fmt::format("belay-proxy.socket is {} ({}): the daemon opened what it could",
                                   (*socket)["ActiveState"], (*socket)["Result"]),
                       "journalctl -u belay-proxy.socket says why; then systemctl daemon-reload && "
                       "systemctl restart belay-proxy.socket belay-proxy"});
    return all;
}

// Apps of runtime = "systemd" start, stop and are adopted over the bus.
Findings bus(const Examined& it) {
    if (it.in_units.empty()) return {};
    boost::asio::io_context loop(1);
    auto timers = async::make_timers(loop.get_executor());
    sys::Units units(loop.get_executor(), *timers);
    std::optional<Result<std::string>> version;
    boost::asio::co_spawn(loop, units.version(),
                          [&](std::exception_ptr failure, Result<std::string> answer) {
                              if (failure) std::rethrow_exception(failure);
                              version.emplace(std::move(answer));
                          });
    while (!version && loop.run_one() != 0) {
    }
    if (version && *version)
        return {{Level::good, "units", "systemd " + **version + " answers over D-Bus", ""}};
    return {{Level::bad, "units",
             fmt::format("{} is kept by systemd, which does not answer: {}", it.in_units,
                         version ? version->error().message : std::string("the bus is silent")),
             "apt install dbus; systemctl start dbus.socket"}};
}

bool is_ours(const std::string& holder) {
    return holder.empty() || holder.starts_with("belay") || holder.starts_with("systemd ");
}

Finding port(const std::string& listen, const std::vector<sys::ListeningSocket>& sockets) {
    auto wanted = sys::listen_addresses(listen);
    if (!wanted) return {Level::bad, "ports", wanted.error().message, "belay check"};
    for (const auto& address : *wanted) {
        auto at = std::find_if(sockets.begin(), sockets.end(), [&](const auto& socket) {
            return socket.address == address ||
                   socket.address == "[::]" + address.substr(address.rfind(':'));
        });
        if (at == sockets.end())
            return {Level::bad, "ports", "nobody listens on " + address,
                    "belay status says why the proxy does not"};
        auto holder = sys::holder_of(at->inode);
        if (!is_ours(holder))
            return {Level::bad, "ports", fmt::format("{} is held by {}", address, holder),
                    "stop that program, or write listen = [] under [proxy] and give each app a "
                    "port of its own ([traffic] listen) that it passes requests on to"};
    }
    return {Level::good, "ports", "the proxy listens on " + listen, ""};
}

Findings ports(const Examined& it) {
    auto sockets = sys::listening_sockets();
    if (!sockets) return {{Level::warning, "ports", sockets.error().message, "run it as root"}};
    Findings all;
    for (const auto& listen : it.server.proxy_listen)
        all.push_back(port(listen, *sockets));
    return all;
}

Findings app_units(const Examined& it) {
    std::vector<domain::AppConfig> apps;
    auto source = config::make_source(it.config_path, surroundings_of_daemon(it.server.state));
    for (auto& app : source->load().apps)
        if (app.config) apps.push_back(std::move(*app.config));
    return unit_findings(apps, it.server.state);
}

Findings secrets(const Examined& it) {
    std::error_code failure;
    if (!fs::exists(it.beside.secrets, failure)) return {};
    Findings all;
    auto look = [&](const std::string& path, unsigned open, const char* mode) {
        struct stat found{};
        if (::stat(path.c_str(), &found) == 0 && (found.st_mode & open) != 0)
            all.push_back({Level::bad, "secrets", "others can read " + path,
                           fmt::format("chmod {} {}", mode, path)});
    };
    look(it.beside.secrets, 0077, "0700");
    for (fs::directory_iterator at(it.beside.secrets, failure), end; !failure && at != end;
         at.increment(failure))
        // A public key may be seen.
        if (at->is_regular_file() && at->path().extension() != ".pub")
            look(at->path(), 0077, "0600");
    if (failure)
        all.push_back({Level::warning, "secrets",
                       fmt::format("{}: {}", it.beside.secrets, failure.message()),
                       "run it as who runs the daemon"});
    if (all.empty()) all.push_back({Level::good, "secrets", it.beside.secrets + " is closed", ""});
    return all;
}

Findings host_keys(const Examined& it) {
    if (fs::exists(it.beside.known_hosts))
        return {{Level::good, "host keys", it.beside.known_hosts + " is there", ""}};
    return {{Level::warning, "host keys",
             "there is no " + it.beside.known_hosts + ": no ssh server's key is known",
             "belay init writes one with the public forges' keys; ssh-keyscan -t ed25519 HOST "
             "gives others, to be compared first"}};
}

Findings limits(const Examined& it) {
    const auto surroundings = config::current_surroundings();
    // Root's daemon has more than we would get.
    if (!surroundings.root() && fs::exists("/lib/systemd/system/belay.service")) return {};
    const auto support = sys::Cgroups::examine(group_place(it.server.state, surroundings));
    auto lacking = unenforced_limits(support, surroundings);
    if (lacking.empty())
        return {{Level::good, "limits",
                 "memory, cpu and processes of apps are bounded where "
                 "their files say so",
                 ""}};
    return {{Level::warning, "limits", lacking, support.cure}};
}

// In the order in which they are shown.
constexpr std::array kChecks{configuration, daemon, units,   bus,      app_units,
                             ports,         limits, secrets, host_keys};

const char* word(Level level) {
    return level == Level::good ? "ok" : level == Level::warning ? "warning" : "error";
}

}  // namespace

std::vector<Finding> examine(const std::string& config_path) {
    Examined it{config_path, config::Beside(config_path), {}, {}};
    auto loaded = config::make_source(config_path)->load();
    it.server = loaded.server ? *loaded.server
                              : config::default_server(config::current_surroundings(), config_path);
    for (const auto& app : loaded.apps)
        for (const auto& process :
             app.config ? app.config->processes : std::vector<domain::Process>{})
            if (process.runtime == "systemd") it.in_units = app.name;
    std::vector<Finding> all;
    for (const auto& check : kChecks)
        for (auto& finding : check(it))
            all.push_back(std::move(finding));
    return all;
}

int doctor(const std::string& config_path, bool json) {
    const auto found = examine(config_path);
    const bool well = std::none_of(found.begin(), found.end(), [](const Finding& one) {
        return one.level == Finding::Level::bad;
    });
    auto items = nlohmann::json::array();
    for (const auto& one : found) {
        items.push_back({{"level", word(one.level)},
                         {"check", one.check},
                         {"text", one.text},
                         {"cure", one.cure.empty() ? nlohmann::json() : nlohmann::json(one.cure)}});
        if (json) continue;
        std::cout << fmt::format("{:<8} {:<14} {}\n", word(one.level), one.check, one.text);
        if (!one.cure.empty()) std::cout << fmt::format("{:<23} cure: {}\n", "", one.cure);
    }
    if (json) std::cout << nlohmann::json{{"ok", well}, {"items", items}}.dump(2) << '\n';
    return well ? cli::kDone : cli::kFailed;
}

}  // namespace belay::app
