#include "unit_rule.hpp"

#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/domain/unit.hpp>
#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <filesystem>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::app {
namespace {

// A string of JavaScript. Units' names have backslashes where systemd-escape(1) made them.
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + '"';
}

Result<std::string> known_user(const std::string& name) {
    if (name.find_first_of("\n\r") == name.npos && ::getpwnam(name.c_str()) != nullptr) return name;
    return Error{Errc::not_found, fmt::format("this machine has no user \"{}\"", name)};
}

// The state directory is the daemon's own.
Result<std::string> user_of_daemon(const std::string& config) {
    const auto path =
        config.empty() ? config::default_config_path() : std::filesystem::absolute(config).string();
    auto loaded = config::make_source(path)->load();
    const auto server = loaded.server
                            ? *loaded.server
                            : config::default_server(config::current_surroundings(), path);
    struct stat found{};
    if (::stat(server.state.c_str(), &found) != 0)
        return Error{Errc::not_found,
                     fmt::format("there is no {} yet, which would tell as whom the daemon runs: "
                                 "name that user with --user",
                                 server.state)};
    const auto* entry = ::getpwuid(found.st_uid);
    if (entry != nullptr) return std::string(entry->pw_name);
    return Error{Errc::not_found,
                 fmt::format("{} belongs to uid {}, which has no name: polkit knows users by name",
                             server.state, found.st_uid)};
}

Result<void> as_root(const cli::UnitOptions& options, const std::string& directory) {
    if (::access(directory.c_str(), F_OK) == 0 && ::access(directory.c_str(), W_OK) == 0) return {};
    if (::geteuid() != 0)
        return Error{Errc::forbidden,
                     fmt::format("only root writes to {}: sudo belay unit {} {}", directory,
                                 options.deny ? "deny" : "allow", options.unit)};
    return Error{Errc::not_found,
                 fmt::format("there is no {}: polkit is not installed, and without it systemd lets "
                             "root alone act on units: apt install polkitd",
                             directory)};
}

}  // namespace

std::string unit_rule_file(const std::string& unit, const std::string& directory) {
    return fmt::format("{}/50-belay-{}.rules", directory, unit);
}

std::string unit_rule(const std::string& unit, const std::string& user) {
    return fmt::format(
        R"(// Written by `belay unit allow {0}`; `belay unit deny {0}` takes it away.
// The user as whom Belay's daemon runs may start, stop, restart and reload this one unit.
polkit.addRule(function(action, subject) {{
    if (action.id == "org.freedesktop.systemd1.manage-units" &&
        action.lookup("unit") == {1} &&
        ["start", "stop", "restart", "reload", "reset-failed"].indexOf(action.lookup("verb")) >= 0 &&
        subject.user == {2}) {{
        return polkit.Result.YES;
    }}
}});
)",
        unit, quoted(unit), quoted(user));
}

Result<cli::UnitRule> allow_unit(const cli::UnitOptions& options, const std::string& directory) {
    auto unit = domain::check_unit_name(options.unit);
    if (!unit) return unit.error();
    auto user = options.user.empty() ? user_of_daemon(options.config) : known_user(options.user);
    if (!user) return user.error();
    if (*user == "root")
        return cli::UnitRule{
            *unit, *user, {}, "the daemon runs as root: nothing is needed for it to act on units"};
    if (auto root = as_root(options, directory); !root) return root.error();
    const auto file = unit_rule_file(*unit, directory);
    const auto rule = unit_rule(*unit, *user);
    auto present = sys::read_file(file, 1 << 16);
    const bool stands = present && *present == rule;
    // polkitd, which is not root, reads it.
    if (!stands)
        if (auto written = sys::write_file(file, rule, 0644); !written) return written.error();
    return cli::UnitRule{
        *unit, *user, file,
        fmt::format("{} may start, stop, restart and reload {}{}: {}\nTo read its journal {} has "
                    "to be in the group systemd-journal: adduser {} systemd-journal",
                    *user, *unit, stands ? " already" : " from now on", file, *user, *user)};
}

Result<cli::UnitRule> deny_unit(const cli::UnitOptions& options, const std::string& directory) {
    auto unit = domain::check_unit_name(options.unit);
    if (!unit) return unit.error();
    if (auto root = as_root(options, directory); !root) return root.error();
    const auto file = unit_rule_file(*unit, directory);
    std::error_code failure;
    const bool removed = std::filesystem::remove(file, failure);
    if (failure) return errno_error(failure.value(), "removing " + file);
    if (!removed)
        return Error{Errc::not_found,
                     fmt::format("nobody was allowed to act on {}: there is no {}", *unit, file)};
    return cli::UnitRule{*unit, {}, file, fmt::format("{} is root's alone again", *unit)};
}

}  // namespace belay::app
