#include <belay/config/paths.hpp>

#include <array>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace belay::config {
namespace {

// XDG Base Directory Specification: relative paths are to be ignored.
std::string xdg(const Surroundings& surroundings, const std::string& variable,
                const std::string& otherwise) {
    auto path = surroundings.variable(variable);
    return path.starts_with('/') ? path : surroundings.home + otherwise;
}

std::string directory_of(std::string_view path) {
    auto slash = path.rfind('/');
    if (slash == path.npos) return ".";
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

constexpr std::size_t kMostOfAnEntry = 64 << 10;

std::optional<User> find_user(const std::string& name) {
    std::vector<char> buffer(kMostOfAnEntry);
    passwd entry{};
    passwd* found = nullptr;
    getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) return std::nullopt;
    std::vector<gid_t> groups(32);
    auto count = static_cast<int>(groups.size());
    while (getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count) < 0)
        groups.resize(static_cast<std::size_t>(count));
    groups.resize(static_cast<std::size_t>(count));
    std::erase(groups, entry.pw_gid);
    return User{entry.pw_uid, entry.pw_gid, std::move(groups)};
}

std::string in(const std::string& directory, std::string_view name) {
    return (directory == "/" ? "" : directory) + "/" + std::string(name);
}

}  // namespace

std::string Surroundings::variable(const std::string& name) const {
    auto at = variables.find(name);
    return at == variables.end() ? "" : at->second;
}

Surroundings current_surroundings() {
    Surroundings surroundings;
    surroundings.uid = geteuid();
    surroundings.user = std::to_string(surroundings.uid);
    surroundings.systemd = access("/run/systemd/system", F_OK) == 0;
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
        std::string_view pair(*each);
        auto equals = pair.find('=');
        if (equals != pair.npos)
            surroundings.variables.emplace(pair.substr(0, equals), pair.substr(equals + 1));
    }
    surroundings.find_user = find_user;
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    getpwuid_r(surroundings.uid, &entry, buffer.data(), buffer.size(), &found);
    surroundings.home = surroundings.variable("HOME");
    if (found != nullptr) surroundings.user = found->pw_name;
    if (found != nullptr && !surroundings.home.starts_with('/')) surroundings.home = found->pw_dir;
    return surroundings;
}

std::string default_config_path(const Surroundings& surroundings) {
    auto named = surroundings.variable("BELAY_CONFIG");
    if (!named.empty()) return named;
    if (surroundings.root()) return "/etc/belay/belay.toml";
    return xdg(surroundings, "XDG_CONFIG_HOME", "/.config") + "/belay/belay.toml";
}

domain::ServerConfig default_server(const Surroundings& surroundings,
                                    const std::string& config_path) {
    domain::ServerConfig server;
    if (surroundings.root()) return server;
    server.state = xdg(surroundings, "XDG_STATE_HOME", "/.local/state") + "/belay";
    auto runtime = surroundings.variable("XDG_RUNTIME_DIR");
    server.socket =
        runtime.starts_with('/') ? runtime + "/belay/belay.sock" : server.state + "/belay.sock";
    server.group.clear();
    server.proxy_listen = {"127.0.0.1:8000"};
    server.git_allow.emplace_back("file");
    server.certificates = in(Beside(config_path).directory, "certificates");
    return server;
}

Beside::Beside(std::string_view config_path)
    : directory(directory_of(config_path)),
      apps(in(directory, "apps")),
      secrets(in(directory, "secrets")),
      known_hosts(in(directory, "known_hosts")) {}

std::string Beside::app_file(std::string_view app) const {
    return in(apps, std::string(app) + ".toml");
}
std::string Beside::hook_secret(std::string_view app) const {
    return in(secrets, std::string(app) + ".hook");
}
std::string Beside::deploy_key(std::string_view app) const {
    return in(secrets, std::string(app) + ".key");
}
std::string Beside::env_file(std::string_view app) const {
    return in(secrets, std::string(app) + ".env");
}

}  // namespace belay::config
