#include "limits.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

namespace belay::app {

namespace fs = std::filesystem;

sys::GroupPlace group_place(const std::string& state, const config::Surroundings& surroundings) {
    auto base = surroundings.variable("BELAY_CGROUP");
    std::error_code failure;
    if (base.empty() && surroundings.root() && fs::exists("/run/systemd/system", failure) &&
        (fs::exists("/lib/systemd/system/belay-groups.service", failure) ||
         fs::exists("/etc/systemd/system/belay-groups.service", failure)))
        base = "/system.slice/belay-groups.service";
    return {state, base};
}

std::vector<std::string> unenforced_keys(const sys::GroupSupport& support,
                                         const config::Surroundings& surroundings) {
    std::vector<std::string> keys;
    if (!support.memory) keys.emplace_back("memory");
    if (!support.cpu) keys.emplace_back("cpu");
    if (!support.processes && !surroundings.root()) keys.emplace_back("processes");
    return keys;
}

std::string unenforced_limits(const sys::GroupSupport& support,
                              const config::Surroundings& surroundings) {
    auto keys = unenforced_keys(support, surroundings);
    if (keys.empty()) return {};
    const auto last = keys.back();
    keys.pop_back();
    return fmt::format("limits of {}{}{} have no effect on this machine: {}", fmt::join(keys, ", "),
                       keys.empty() ? "" : " and ", last, support.why);
}

}  // namespace belay::app
