// A run as systemd is told of it: the properties of its transient service, its environment file,
// and the unit files that outlive the boot. Pure.
#pragma once

#include <belay/ports/runtime.hpp>
#include <belay/sys/units.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::runtime {

// "shop.12.web.1.3" <-> "belay-shop.12.web.1.3.service"
std::string unit_of(std::string_view run_id);
std::optional<std::string> run_of(std::string_view unit);
// The app that a run's id begins with; empty: it is no release's.
std::string app_of(std::string_view run_id);

std::vector<sys::UnitSetting> unit_settings(const ports::ProcessSpec& spec,
                                            const std::string& environment_file);

// EnvironmentFile= [systemd.exec(5)]. Errc::invalid names a variable that it can't carry.
Result<std::string> environment_text(
    const std::vector<std::pair<std::string, std::string>>& environment);

// What overrides Restart= of a unit that runs.
std::string policy_text(RestartPolicy policy);

// The file that systemd wrote of a transient unit, as one that boots.
std::string boot_unit_text(std::string_view transient);
// What boots of an app, as one file, so that it changes in one step.
std::string boot_target_text(const std::string& app, const std::vector<std::string>& run_ids);

// "203/EXEC: the program could not be executed": what a service's exit code says of systemd's own
// steps before the program; empty: it was the program's own.
std::string_view step_that_failed(int code);

}  // namespace belay::runtime
