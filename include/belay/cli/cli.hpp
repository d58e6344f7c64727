// The command line: every command is a client of the daemon's API on its Unix socket; what must run
// without the daemon is given by the caller.
#pragma once

#include <belay/base/error.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace belay::cli {

// Exit codes of every command (spec/interfaces.md §1).
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNoDaemon = 3;
inline constexpr int kNotAllowed = 4;
inline constexpr int kNoSuchThing = 5;

// `config` is what --config or BELAY_CONFIG names; empty: the default place.
struct ServeOptions {
    std::string config;
};

struct CheckOptions {
    std::string config;
    std::vector<std::string> files;  // empty: all of the configuration
    bool json = false;
};

struct InitOptions {
    std::string config;
    std::string url;  // as given, a directory too; empty: not given
    std::string name;
    std::string branch;
    std::string forge;  // a name of `[webhook] forge`; empty: told by the address
    bool json = false;
};

// What a repository's hook has to know to deliver to this machine's daemon.
struct HookPlan {
    std::string url;          // http://127.0.0.1:8080/hooks/shop
    std::string secret_file;  // absolute
    std::string poll;         // "5m"; empty: polling is off
};

struct UnitOptions {
    std::string config;
    std::string unit;
    std::string user;   // empty: as whom the daemon runs
    bool deny = false;  // takes the rule away again
};

// What stands of it now.
struct UnitRule {
    std::string unit;
    std::string user;
    std::string file;  // empty: none is needed
    std::string text;  // for a person
};

// How one attempt to deliver a ping went, as far as it came.
struct PingTry {
    enum class Hop { name, connect, tls, answer, done };
    std::string url;
    Hop failed_at = Hop::done;
    std::string error;         // of the hop that it failed at
    bool timed_out = false;    // it failed by waiting in vain
    bool certificate = false;  // TLS failed as the certificate is not to be trusted
    std::string peer;          // "203.0.113.5:443"; empty: no connection
    int status = 0;
    std::string server;    // the header Server
    std::string location;  // of a redirection
    std::string body;      // its beginning
    int milliseconds = 0;  // until the answer
};

// A signed ping by the public URL, and where that failed by the daemon's own address.
struct HookTest {
    std::string app;
    std::string forge;        // by whose scheme it was signed: "github", "auto"
    std::string id;           // in the inbox; empty: this forge's pings can't be found there
    bool is_signed = true;    // false: only the forge itself has the key
    std::string config_file;  // belay.toml
    std::string public_url;   // empty: none is configured, and nothing was tried by it
    std::string expose;       // [server] expose
    std::string listen;       // "127.0.0.1:8080"
    std::vector<std::string> proxy_listen;
    PingTry outside;
    std::string inside_id;
    std::optional<PingTry> inside;
};

// The commands and facts that belong to other modules. Every member must be set. The functions that
// return an int give the exit code and print by themselves.
struct Locals {
    std::function<int(ServeOptions)> serve;
    std::function<int(CheckOptions)> check;
    std::function<int(InitOptions)> init;
    std::function<int(const std::string& config, bool json)> doctor;
    std::function<int(std::vector<std::string>)> proxy;  // the arguments after `belay proxy`
    std::function<int(std::vector<std::string>)> stage;  // the arguments after `belay stage`

    // The daemon's socket by the configuration at `config`; an unreadable configuration is an error
    // only where it was named, else the default of this user.
    std::function<Result<std::string>(const std::string& config)> default_socket;
    // Path of the app's secrets file (secrets/APP.env beside belay.toml), whether it exists or not.
    // Errc::not_found: no app file of that name.
    std::function<Result<std::string>(const std::string& config, const std::string& app)>
        secrets_file;
    // Errc::not_found: no app file of that name, or no hook secret.
    std::function<Result<HookPlan>(const std::string& config, const std::string& app)> hook_plan;
    // Sends the pings. Errc::not_found: no app file of that name, or no hook secret; invalid: its
    // secret can't be read.
    std::function<Result<HookTest>(const std::string& config, const std::string& app)> hook_test;
    // Lets the daemon's user act on a systemd unit, or takes that back. Errc::forbidden: not as
    // this user; not_found: no such user or rule, or no polkit.
    std::function<Result<UnitRule>(const UnitOptions&)> unit_rule;
};

// Runs one command line; returns the exit code. Reads BELAY_SOCKET, BELAY_CONFIG, NO_COLOR, TERM
// and COLUMNS.
int run(int argc, char** argv, const Locals& locals);

}  // namespace belay::cli
