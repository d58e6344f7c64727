// `belay unit allow`: the polkit rule that lets a daemon that is not root act on one unit
// (polkit(8)).
#pragma once

#include <belay/cli/cli.hpp>

#include <string>

namespace belay::app {

inline constexpr const char* kPolkitRules = "/etc/polkit-1/rules.d";

// Where the unit's rule lies; the unit's name is checked.
std::string unit_rule_file(const std::string& unit, const std::string& directory = kPolkitRules);
std::string unit_rule(const std::string& unit, const std::string& user);

// Errc::invalid: no unit's name; forbidden: needs root; not_found: no such user, or no polkit. The
// daemon's user, where none is named, is the owner of its state directory.
Result<cli::UnitRule> allow_unit(const cli::UnitOptions& options,
                                 const std::string& directory = kPolkitRules);
Result<cli::UnitRule> deny_unit(const cli::UnitOptions& options,
                                const std::string& directory = kPolkitRules);

}  // namespace belay::app
