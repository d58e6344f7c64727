// The configuration as the engine needs it: checked, per app, with every complaint placed.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/process.hpp>
#include <belay/base/secret.hpp>
#include <belay/domain/config.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::ports {

// `file:line:column: message`
struct Complaint {
    std::string file;
    int line = 0;  // 0: of the file as a whole
    int column = 0;
    std::string message;
    bool warning =
        false;  // "not in effect yet", gaps at switching: shown by `belay check`, no error

    std::string to_string() const;
    bool operator==(const Complaint&) const = default;
};

struct AppFile {
    std::string name;
    std::string file;
    std::optional<domain::AppConfig> config;  // none: the file has errors
    std::vector<Complaint> complaints;
};

struct LoadedConfig {
    std::string file;                            // belay.toml, whether or not it exists
    std::optional<domain::ServerConfig> server;  // none: belay.toml has errors
    std::vector<Complaint> complaints;           // of belay.toml
    std::vector<AppFile> apps;
};

// Loop thread only; reads files, which are small.
class ConfigSource {
  public:
    virtual ~ConfigSource() = default;

    virtual LoadedConfig load() = 0;

    // Canonical JSON (keys sorted, defaults included, secrets as references only), and back.
    virtual std::string encode(const domain::AppConfig& config) const = 0;
    virtual Result<domain::AppConfig> decode(const std::string& json) const = 0;
    // SHA-256 of the canonical JSON, hex.
    virtual std::string hash(const std::string& json) const = 0;

    // Reads a secret's value now; the error names the thing and the cure, never the value.
    virtual Result<Secret> resolve(const domain::SecretRef& secret) const = 0;
    // Who a name in an app's file stands for now. Errc::invalid: nobody, or one that no app may run
    // as.
    virtual Result<User> user(const std::string& name) const = 0;
    // The app's [secrets] and secrets/APP.env together.
    virtual Result<std::map<std::string, Secret>> secrets(
        const domain::AppConfig& config) const = 0;
};

}  // namespace belay::ports
