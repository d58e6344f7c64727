#include "unit_findings.hpp"

#include "unit_rule.hpp"

#include <belay/async/timers.hpp>
#include <belay/domain/unit.hpp>
#include <belay/runtime/system_units.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::app {
namespace {

using Level = Finding::Level;

class Question {
  public:
    Result<domain::UnitState> state(const std::string& unit) {
        std::optional<Result<domain::UnitState>> answer;
        boost::asio::co_spawn(loop_, units_->state(unit),
                              [&](std::exception_ptr failure, Result<domain::UnitState> state) {
                                  if (failure) std::rethrow_exception(failure);
                                  answer = std::move(state);
                              });
        loop_.restart();
        while (!answer && loop_.run_one() > 0) {
        }
        return std::move(*answer);
    }

  private:
    boost::asio::io_context loop_{1};
    std::unique_ptr<async::Timers> timers_ = async::make_timers(loop_.get_executor());
    std::unique_ptr<ports::Units> units_ =
        runtime::make_system_units(loop_.get_executor(), *timers_);
};

// Of a daemon that is not root. Only root sees the rules.
std::optional<Finding> rule_is_missing(const std::string& unit, const std::string& state) {
    struct stat found{};
    if (::geteuid() != 0 || ::stat(state.c_str(), &found) != 0 || found.st_uid == 0)
        return std::nullopt;
    if (std::filesystem::exists(unit_rule_file(unit))) return std::nullopt;
    const auto* entry = ::getpwuid(found.st_uid);
    const auto user = entry != nullptr ? entry->pw_name : fmt::format("#{}", found.st_uid);
    return Finding{Level::bad, "app units",
                   fmt::format("{}, as whom the daemon runs, may not act on {}", user, unit),
                   fmt::format("belay unit allow {} --user {}", unit, user)};
}

Finding finding_of(Question& systemd, const domain::AppConfig& app, const std::string& state) {
    const auto& unit = app.unit_name;
    auto seen = systemd.state(unit);
    if (!seen) return {Level::bad, "app units", app.name + ": " + seen.error().message, ""};
    if (auto why = domain::unusable(unit, *seen, app.unit_action); !why.empty())
        return {Level::bad, "app units", app.name + ": " + why, ""};
    if (auto missing = rule_is_missing(unit, state)) {
        missing->text = app.name + ": " + missing->text;
        return *missing;
    }
    return {Level::good, "app units", fmt::format("{}: {} is {}", app.name, unit, seen->active),
            ""};
}

}  // namespace

config::Surroundings surroundings_of_daemon(const std::string& state) {
    auto surroundings = config::current_surroundings();
    struct stat found{};
    if (surroundings.root() && ::stat(state.c_str(), &found) == 0) surroundings.uid = found.st_uid;
    return surroundings;
}

std::vector<Finding> unit_findings(const std::vector<domain::AppConfig>& apps,
                                   const std::string& state) {
    std::vector<Finding> all;
    std::optional<Question> systemd;
    for (const auto& app : apps) {
        if (app.target != domain::Target::unit) continue;
        if (!systemd) systemd.emplace();
        all.push_back(finding_of(*systemd, app, state));
    }
    return all;
}

}  // namespace belay::app
