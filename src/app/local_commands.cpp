#include "local_commands.hpp"

#include "doctor.hpp"
#include "hook_test.hpp"
#include "init.hpp"
#include "limits.hpp"
#include "serve.hpp"
#include "unit_findings.hpp"
#include "unit_rule.hpp"

#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/git/worker.hpp>
#include <belay/proxy/run.hpp>
#include <belay/stage/worker.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/sockets.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>

namespace belay::app {
namespace {

std::string config_path_of(const std::string& config) {
    return config.empty() ? config::default_config_path()
                          : std::filesystem::absolute(config).string();
}

// What the machine says against the units that the apps' files name: no fault of the files, which
// may be of another machine.
std::vector<ports::Complaint> unit_complaints(const std::string& path,
                                              const std::vector<std::string>& files) {
    auto loaded = config::make_source(path)->load();
    const auto server = loaded.server
                            ? *loaded.server
                            : config::default_server(config::current_surroundings(), path);
    const auto daemon = surroundings_of_daemon(server.state);
    std::vector<ports::AppFile> apps;
    for (const auto& file : files)
        apps.push_back(config::load_app_file(path, file, daemon));
    if (files.empty()) apps = config::make_source(path, daemon)->load().apps;
    std::vector<ports::Complaint> complaints;
    for (const auto& app : apps) {
        if (!app.config) continue;
        for (const auto& finding : unit_findings({*app.config}, server.state))
            if (finding.level != Finding::Level::good)
                complaints.push_back(
                    {app.file, 0, 0,
                     finding.text + (finding.cure.empty() ? "" : ": " + finding.cure), true});
    }
    return complaints;
}

config::Surroundings surroundings_with_limits() {
    auto surroundings = config::current_surroundings();
    // Root's daemon has more than we would get.
    if (!surroundings.root() && std::filesystem::exists("/lib/systemd/system/belay.service"))
        return surroundings;
    const auto support = sys::Cgroups::examine(group_place("check", surroundings));
    surroundings.lacking_limits = unenforced_keys(support, surroundings);
    surroundings.why_lacking = support.why + "; " + support.cure;
    return surroundings;
}

int check(const cli::CheckOptions& options) {
    const auto path = config_path_of(options.config);
    auto complaints = config::check(path, options.files, surroundings_with_limits());
    for (auto& one : unit_complaints(path, options.files))
        complaints.push_back(std::move(one));
    const auto errors = std::count_if(complaints.begin(), complaints.end(),
                                      [](const ports::Complaint& one) { return !one.warning; });
    if (options.json) {
        auto items = nlohmann::json::array();
        for (const auto& one : complaints)
            items.push_back({{"file", one.file},
                             {"line", one.line},
                             {"column", one.column},
                             {"level", one.warning ? "warning" : "error"},
                             {"message", one.message}});
        std::cout << nlohmann::json{{"ok", errors == 0}, {"items", items}}.dump(2) << '\n';
    } else {
        for (const auto& one : complaints)
            std::cout << one.to_string() << '\n';
        if (errors == 0) std::cout << "configuration ok\n";
    }
    return errors == 0 ? cli::kDone : cli::kFailed;
}

// What systemd holds for the proxy, by [proxy] listen; nothing where that is empty or can't be
// read: the daemon then opens what it can. For a generator (systemd.generator(7)).
int write_socket_unit(const std::string& directory) {
    auto loaded = config::make_source(config::default_config_path())->load();
    if (!loaded.server) return cli::kFailed;
    std::string streams;
    for (const auto& listen : loaded.server->proxy_listen)
        if (auto addresses = sys::listen_addresses(listen))
            for (const auto& address : *addresses)
                streams += "ListenStream=" + address + "\n";
    if (streams.empty()) return cli::kDone;
    auto written = sys::write_file(
        directory + "/belay-proxy.socket",
        "# Made of [proxy] listen in " + config::default_config_path() +
            " by belay-generator; `systemctl daemon-reload` makes it anew.\n"
            "[Unit]\nDescription=Belay's proxy: where apps are served\n"
            "Documentation=man:belay.toml(5)\n\n[Socket]\n" +
            streams +
            "BindIPv6Only=ipv6-only\nFreeBind=yes\nBacklog=1024\nFileDescriptorName=tcp\n"
            "# A proxy that dies at once may be started as often as clients come.\n"
            "TriggerLimitIntervalSec=0\n",
        0644, false);
    if (written) return cli::kDone;
    std::cerr << "belay: " << written.error().message << '\n';
    return cli::kFailed;
}

int run_proxy(const std::vector<std::string>& arguments) {
    proxy::ProxyOptions options;
    for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
        if (arguments[i] == "--directory")
            options.directory = arguments[i + 1];
        else if (arguments[i] == "--control")
            options.control = arguments[i + 1];
        else if (arguments[i] == "--nonce")
            options.nonce = arguments[i + 1];
        else if (arguments[i] == "--socket-unit")
            return write_socket_unit(arguments[i + 1]);
    }
    if (options.directory.empty()) {
        std::cerr << "belay: `belay proxy` is started by `belay serve`; it needs --directory DIR\n";
        return cli::kUsage;
    }
    return proxy::run(options);
}

int run_stage(const std::vector<std::string>& arguments) {
    const auto name = arguments.empty() ? std::string() : arguments.front();
    if (auto code = git::run_operation(name)) return *code;
    if (auto code = stage::run_operation(name)) return *code;
    std::cerr << "belay: `belay stage` is started by `belay serve`; \"" << name
              << "\" is none of its operations\n";
    return cli::kUsage;
}

struct Named {
    domain::ServerConfig server;
    std::string path;
};

Result<Named> configuration(const std::string& config) {
    Named named;
    named.path = config_path_of(config);
    auto loaded = config::make_source(named.path)->load();
    if (loaded.server) {
        named.server = *loaded.server;
        return named;
    }
    if (!config.empty() && !loaded.complaints.empty())
        return Error{Errc::invalid, loaded.complaints.front().to_string()};
    named.server = config::default_server(config::current_surroundings(), named.path);
    return named;
}

Result<void> app_exists(const std::string& path, const std::string& app) {
    auto file = config::Beside(path).app_file(app);
    if (std::filesystem::exists(file)) return {};
    return Error{Errc::not_found,
                 fmt::format("no app is called \"{}\": there is no {}", app, file)};
}

Result<cli::HookPlan> hook_plan(const std::string& config, const std::string& app) {
    auto named = configuration(config);
    if (!named) return named.error();
    if (auto exists = app_exists(named->path, app); !exists) return exists.error();
    cli::HookPlan plan;
    auto listen = named->server.listen;
    if (listen.starts_with(':')) listen = "127.0.0.1" + listen;
    plan.url = fmt::format("http://{}/hooks/{}", listen, app);
    plan.secret_file = config::Beside(named->path).hook_secret(app);
    auto file = config::load_app_file(named->path, config::Beside(named->path).app_file(app));
    if (file.config) {
        if (file.config->poll) plan.poll = format_duration(*file.config->poll);
        for (const auto& secret : file.config->webhook.secrets)
            if (secret.kind == domain::SecretRef::Kind::file) {
                plan.secret_file = secret.name;
                break;
            }
    }
    if (!std::filesystem::exists(plan.secret_file))
        return Error{Errc::not_found, fmt::format("{} has no webhook secret: there is no {}", app,
                                                  plan.secret_file)};
    return plan;
}

}  // namespace

cli::Locals local_commands() {
    cli::Locals locals;
    locals.serve = [](cli::ServeOptions options) { return serve(options.config); };
    locals.check = check;
    locals.doctor = [](const std::string& config, bool json) {
        return doctor(config_path_of(config), json);
    };
    locals.init = [](cli::InitOptions options) { return init(options); };
    locals.proxy = run_proxy;
    locals.stage = run_stage;
    locals.default_socket = [](const std::string& config) -> Result<std::string> {
        auto named = configuration(config);
        if (!named) return named.error();
        return named->server.socket;
    };
    locals.secrets_file = [](const std::string& config,
                             const std::string& app) -> Result<std::string> {
        const auto path = config_path_of(config);
        if (auto exists = app_exists(path, app); !exists) return exists.error();
        return config::Beside(path).env_file(app);
    };
    locals.hook_plan = hook_plan;
    locals.hook_test = test_hook;
    locals.unit_rule = [](const cli::UnitOptions& options) {
        return options.deny ? deny_unit(options) : allow_unit(options);
    };
    return locals;
}

}  // namespace belay::app
