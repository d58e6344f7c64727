// Users of the machine that an app's file may name (spec/decisions.md 19).
#pragma once

#include "config/app_checks.hpp"

#include <belay/base/process.hpp>

#include <string>
#include <vector>

namespace belay::config {

// belay-proxy.service runs as it.
inline constexpr const char* kProxyUser = "belay-proxy";

// Who the name stands for. Errc::invalid: nobody, root, Belay itself, one of `uids`, which Belay
// gives away by itself, or somebody whom we can't become.
Result<User> user_for_app(const std::string& name, const Surroundings& surroundings,
                          const domain::PortRange& uids);

// That all of one app's steps are one user, and all its processes; and that such users may be.
void check_users(Reading& reading, const domain::AppConfig& app, const AppContext& context);
// That no two apps have one.
void check_users_together(const std::vector<AppPart>& apps, const Surroundings& surroundings);

}  // namespace belay::config
