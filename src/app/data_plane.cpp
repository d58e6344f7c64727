#include "data_plane.hpp"

#include <belay/base/log.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/service_manager.hpp>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::app {
namespace {

struct HostPort {
    std::string host;
    std::string port;
};

HostPort split(const std::string& address) {
    auto colon = address.rfind(':');
    if (colon == address.npos) return {address, ""};
    return {address.substr(0, colon), address.substr(colon + 1)};
}

// Whether an address as bound is (one of) what an address as written asks for.
bool covers(const std::string& written, const std::string& bound) {
    auto [host, port] = split(written);
    auto [bound_host, bound_port] = split(bound);
    if (std::atoi(port.c_str()) != std::atoi(bound_port.c_str())) return false;
    if (host.empty()) return bound_host == "0.0.0.0" || bound_host == "[::]";
    if (host == "localhost") host = "127.0.0.1";
    boost::system::error_code ours, theirs;
    auto plain = [](const std::string& text) {
        return text.starts_with('[') ? text.substr(1, text.size() - 2) : text;
    };
    auto left = boost::asio::ip::make_address(plain(host), ours);
    auto right = boost::asio::ip::make_address(plain(bound_host), theirs);
    return !ours && !theirs && left == right;
}

ports::TrafficSettings settings_of(const domain::ServerConfig& server) {
    ports::TrafficSettings settings;
    settings.trusted_proxies = server.trusted_proxies;
    auto host = server.public_url;
    if (auto scheme = host.find("://"); scheme != host.npos) host.erase(0, scheme + 3);
    host = host.substr(0, host.find('/'));
    settings.public_host = split(host).host;
    settings.expose = server.expose == "all"    ? ports::Expose::all
                      : server.expose == "none" ? ports::Expose::none
                                                : ports::Expose::hooks;
    auto [listen_host, port] = split(server.listen);
    if (listen_host.empty() || listen_host == "0.0.0.0" || listen_host == "localhost")
        listen_host = "127.0.0.1";
    if (listen_host == "[::]") listen_host = "[::1]";
    if (listen_host.starts_with('[')) listen_host = listen_host.substr(1, listen_host.size() - 2);
    settings.daemon.host = listen_host;
    settings.daemon.port = static_cast<std::uint16_t>(std::atoi(port.c_str()));
    return settings;
}

}  // namespace

DataPlane::DataPlane(boost::asio::any_io_executor executor, ports::Runtime& runtime,
                     async::Timers& timers, DataPlaneOptions options)
    : runtime_(runtime),
      timers_(timers),
      options_(std::move(options)),
      tasks_(std::move(executor)) {}

Result<std::string> DataPlane::nonce() const {
    const bool of_unit = !options_.unit.empty();
    const auto path = nonce_path(options_.directory, of_unit);
    auto present = sys::read_file(path, 1024);
    std::string text = present && present->size() >= 32 ? *present : "";
    if (text.empty()) {
        std::array<unsigned char, 32> random{};
        if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
            return Error{Errc::internal, "the system gives no random bytes"};
        for (auto byte : random)
            text += fmt::format("{:02x}", byte);
        auto written = sys::write_file(path, text, 0600);
        if (!written) return written.error();
    }
    struct stat theirs{};
    // At each start, as a proxy that never ran has no directory of its own yet.
    if (of_unit && (::stat(options_.directory.c_str(), &theirs) != 0 ||
                    ::chown(path.c_str(), static_cast<uid_t>(-1), theirs.st_gid) != 0 ||
                    ::chmod(path.c_str(), 0640) != 0))
        log::error("the proxy can't read the secret that it shares with the daemon",
                   {{"error", errno_error(errno, path).message}});
    return text;
}

Task<Result<void>> DataPlane::start(domain::ServerConfig server) {
    server_ = std::move(server);
    shared_ = server_.proxy_listen;
    if (!options_.unit.empty()) co_return co_await end_shimmed();
    auto info = runtime_.info(kRunId);
    if (info &&
        (info->state == ports::RunState::running || info->state == ports::RunState::backing_off)) {
        auto known = sys::read_file(options_.directory + "/listeners.json", 1 << 20);
        if (known) {
            auto json = nlohmann::json::parse(*known, nullptr, false);
            if (json.is_array())
                for (const auto& address : json)
                    if (address.is_string()) bound_.push_back(address.get<std::string>());
        }
        log::info("the proxy runs on", {{"pid", fmt::to_string(info->pid)}});
        co_return Result<void>{};
    }
    if (info) {
        auto forgotten = co_await runtime_.forget(kRunId);
        if (!forgotten) co_return forgotten.error();
    }
    ports::ProcessSpec spec;
    spec.run_id = kRunId;
    spec.argv = {options_.executable, "proxy",     "--directory",
                 options_.directory,  "--control", control_socket()};
    spec.env = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
    spec.cwd = "/";
    spec.log_path = options_.log_path;
    spec.policy = RestartPolicy::always;
    spec.first_backoff = Millis{20};  // users wait in its queue
    std::vector<sys::BoundListener> held;
    std::vector<std::string> bound;
    for (const auto& address : server_.proxy_listen) {
        auto listening = sys::listen_tcp(address);
        if (!listening) continue;  // open_listeners() tries again and says why not
        for (auto& one : *listening) {
            bound.push_back(one.address);
            spec.listeners.push_back({one.fd.get(), fmt::format("tcp{}", spec.listeners.size())});
            held.push_back(std::move(one));
        }
    }
    ports::BeforeGo nothing_to_record = [](const ports::RunInfo&) {
        return DataPlane::no_record();
    };
    auto started = co_await runtime_.start(std::move(spec), nothing_to_record);
    if (!started) co_return prefixed("the proxy did not start", started.error());
    bound_ = std::move(bound);
    remember();
    log::info("started the proxy", {{"pid", fmt::to_string(started->pid)}});
    co_return Result<void>{};
}

// A proxy that an earlier way to run Belay left would hold the ports.
Task<Result<void>> DataPlane::end_shimmed() {
    if (!runtime_.info(kRunId)) co_return Result<void>{};
    log::info("the proxy is a unit of its own from now on", {{"unit", options_.unit}});
    auto stopped = co_await runtime_.stop(kRunId);
    if (!stopped) co_return stopped.error();
    co_return co_await runtime_.forget(kRunId);
}

// Its listeners first: as long as they are there, the next client starts it again.
void DataPlane::let_go() {
    wanted_ = false;
    if (options_.unit.empty()) return;
    auto stopped = sys::stop_unit(options_.unit + ".socket");
    if (!stopped)
        log::warning("the proxy may be started again", {{"error", stopped.error().message}});
}

Task<Result<void>> DataPlane::no_record() {
    co_return Result<void>{};
}

void DataPlane::remember() {
    if (!options_.unit.empty()) return;  // it knows them itself
    auto written = sys::write_file(options_.directory + "/listeners.json",
                                   nlohmann::json(bound_).dump(), 0600);
    if (!written)
        log::warning("the proxy's listeners were not noted", {{"error", written.error().message}});
}

bool DataPlane::is_open(const std::string& address) const {
    return std::any_of(bound_.begin(), bound_.end(),
                       [&](const std::string& open) { return covers(address, open); });
}

Task<std::vector<std::string>> DataPlane::close_all_but(ports::Traffic& traffic,
                                                        std::vector<std::string> wanted) {
    std::vector<std::string> problems;
    const auto open_now = bound_;
    for (const auto& open : open_now) {
        if (std::any_of(wanted.begin(), wanted.end(),
                        [&](const std::string& address) { return covers(address, open); }))
            continue;
        // Its shim lets go of it as soon as the proxy has ended the listening.
        auto closed = co_await traffic.remove_listener(open);
        if (closed || closed.error().code == Errc::not_found) {
            log::info("the proxy no longer listens", {{"address", open}});
            std::erase(bound_, open);
            remember();
            continue;
        }
        problems.push_back(
            fmt::format("the proxy still listens on {}: {}", open, closed.error().message));
    }
    co_return problems;
}

Task<std::vector<std::string>> DataPlane::open_listeners(ports::Traffic& traffic,
                                                         domain::ServerConfig server,
                                                         std::vector<std::string> app_listens,
                                                         bool close_others) {
    std::vector<std::string> problems;
    server_ = server;
    shared_ = server.proxy_listen;
    if (!options_.unit.empty()) {
        auto self = co_await traffic.hello();
        if (self) bound_ = self->listeners;
    }
    auto told = co_await traffic.set_settings(settings_of(server));
    if (!told) problems.push_back("the proxy did not take its settings: " + told.error().message);
    auto wanted = server.proxy_listen;
    wanted.insert(wanted.end(), app_listens.begin(), app_listens.end());
    // First: ":80" must go before "127.0.0.1:80" can come.
    if (close_others) {
        auto unclosed = co_await close_all_but(traffic, wanted);
        problems.insert(problems.end(), unclosed.begin(), unclosed.end());
    }
    for (const auto& address : wanted) {
        if (is_open(address)) continue;
        auto listening = sys::listen_tcp(address);
        if (!listening) {
            problems.push_back(fmt::format("the proxy can't listen on {}: {}", address,
                                           listening.error().message));
            continue;
        }
        std::vector<ports::Listener> kept;
        for (const auto& one : *listening) {
            kept.push_back({one.fd.get(), fmt::format("tcp{}", bound_.size())});
            bound_.push_back(one.address);
            auto added = co_await traffic.add_listener(one.fd.get(), kept.back().name);
            if (!added)
                problems.push_back(
                    fmt::format("the proxy did not take {}: {}", address, added.error().message));
        }
        if (!options_.unit.empty()) continue;  // the proxy gave them to the manager
        // Its shim has them too, so that they outlive the proxy.
        auto held = co_await runtime_.add_listeners(kRunId, std::move(kept));
        if (!held)
            problems.push_back(fmt::format("{} is open only until the proxy ends: {}", address,
                                           held.error().message));
        remember();
    }
    co_return problems;
}

std::string DataPlane::address() const {
    for (const auto& address : shared_) {
        if (!is_open(address)) continue;
        auto [host, port] = split(address);
        if (host.empty() || host == "0.0.0.0" || host == "[::]" || host == "localhost")
            host = "127.0.0.1";
        return host + ":" + port;
    }
    return {};
}

int DataPlane::pid() const {
    auto info = runtime_.info(kRunId);
    return info && info->state == ports::RunState::running ? info->pid : 0;
}

void DataPlane::on_run_change(const ports::RunInfo& info) {
    const bool over = info.state == ports::RunState::exited || info.state == ports::RunState::gone;
    if (info.run_id != kRunId || !over || !wanted_ || restarting_) return;
    restarting_ = true;
    tasks_.spawn("proxy", restart());
}

Task<void> DataPlane::restart() {
    log::error("the proxy and its shim are gone; starting them again");
    Millis pause{100};
    while (wanted_) {
        auto started = co_await start(server_);
        if (started) break;
        log::error(started.error().message);
        co_await timers_.sleep(pause);
        pause = std::min(pause * 2, Millis{10'000});
    }
    restarting_ = false;
    if (on_restarted_) on_restarted_();
}

}  // namespace belay::app
