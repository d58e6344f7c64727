// Where the configuration and the state lie when nobody says otherwise: root has the system's
// places, everybody else the XDG directories (spec/interfaces.md §2).
#pragma once

#include <belay/base/process.hpp>
#include <belay/domain/config.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace belay::config {

// Who runs this, and in which environment.
struct Surroundings {
    uid_t uid = 0;
    std::string user;  // its name, or its number where it has none
    std::string home;
    std::map<std::string, std::string> variables;
    // Which of limits' keys have no effect on this machine, and why; asked for by check() alone.
    std::vector<std::string> lacking_limits;
    std::string why_lacking;
    // Who a name stands for, with all groups; none: nobody.
    std::function<std::optional<User>(const std::string& name)> find_user;
    bool systemd = false;  // is PID 1 [sd_booted(3)]

    bool root() const { return uid == 0; }
    // Empty where it isn't set.
    std::string variable(const std::string& name) const;
};
Surroundings current_surroundings();

// $BELAY_CONFIG; else /etc/belay/belay.toml as root, $XDG_CONFIG_HOME/belay/belay.toml otherwise.
std::string default_config_path(const Surroundings& surroundings = current_surroundings());

// What an empty belay.toml means. `config_path` is belay.toml's: certificates lie beside it when
// not root's.
domain::ServerConfig default_server(const Surroundings& surroundings,
                                    const std::string& config_path);

// The files beside belay.toml that need no key.
struct Beside {
    explicit Beside(std::string_view config_path);

    std::string directory;    // of belay.toml
    std::string apps;         // apps/
    std::string secrets;      // secrets/
    std::string known_hosts;  // may not exist

    std::string app_file(std::string_view app) const;     // apps/APP.toml
    std::string hook_secret(std::string_view app) const;  // secrets/APP.hook: one secret
    std::string deploy_key(std::string_view app) const;   // secrets/APP.key: ed25519
    std::string env_file(std::string_view app) const;     // secrets/APP.env: dotenv
};

}  // namespace belay::config
