// The daemon as a whole, and each app as it is now.
#include "families.hpp"

#include <belay/ports/runtime.hpp>

#include <array>
#include <string>

namespace belay::metrics {
namespace {

using domain::AppState;
using engine::AppView;

constexpr std::array kStates{AppState::none, AppState::live, AppState::degraded, AppState::down,
                             AppState::stopped};
constexpr std::array kRunStates{ports::RunState::running, ports::RunState::backing_off,
                                ports::RunState::exited, ports::RunState::gone};

// One sample an app.
template <class Fill>
auto each(const Facts& facts, Fill fill) {
    return [&facts, fill](Family& family) {
        for (const auto& app : facts.apps)
            fill(family, app, Labels{{"app", app.name}});
    };
}

void write_processes(Page& page, const Facts& facts) {
    page.gauge("belay_app_processes", "Processes of the live release, by state.",
               [&](Family& family) {
                   for (const auto& app : facts.apps)
                       for (auto state : kRunStates) {
                           std::uint64_t count = 0;
                           for (const auto& process : app.processes)
                               count += app.live && process.release == app.live->release &&
                                        process.state == ports::to_string(state);
                           family.add({{"app", app.name}, {"state", std::string(to_string(state))}},
                                      count);
                       }
               });
    page.counter("belay_app_process_restarts_total",
                 "Starts after the first of the live release's processes, by their shims.",
                 [&](Family& family) {
                     for (const auto& app : facts.apps) {
                         std::map<std::string, std::uint64_t> restarts;
                         for (const auto& process : app.processes)
                             if (app.live && process.release == app.live->release)
                                 restarts[process.process] +=
                                     static_cast<std::uint64_t>(process.restarts);
                         for (const auto& [process, count] : restarts)
                             family.add({{"app", app.name}, {"process", process}}, count);
                     }
                 });
}

}  // namespace

void write_daemon(Page& page, const Facts& facts) {
    page.gauge("belay_build_info", "Always 1; the daemon's version is a label.",
               [&](Family& family) { family.add({{"version", facts.status.version}}, true); });
    page.gauge_of("belay_ready", "1 while new work is taken, as /readyz answers.",
                  facts.status.ready);
    page.gauge_of("belay_problems", "Sentences that `belay status` shows above the apps.",
                  std::uint64_t{facts.status.problems.size()});
    page.gauge_of("belay_config_valid",
                  "1 where belay.toml was without errors when it was read last.",
                  facts.counted.config_valid);
    page.gauge_of("belay_deployment_slots", "[limits] concurrent_deployments.",
                  static_cast<double>(facts.counted.slots));
    page.gauge_of("belay_deployment_slots_taken",
                  "Deployments between fetching and sealing, which take such a slot.",
                  static_cast<double>(facts.counted.slots_taken));
}

void write_apps(Page& page, const Facts& facts) {
    page.gauge("belay_app_state", "1 for the state that the app is in, 0 for the others.",
               each(facts, [](Family& family, const AppView& app, const Labels&) {
                   for (auto state : kStates)
                       family.add({{"app", app.name}, {"state", std::string(to_string(state))}},
                                  app.state == state);
               }));
    page.gauge(
        "belay_app_healthy",
        "1 where the live release passes its probes, 0 where it does not; none where "
        "nothing is known.",
        each(facts, [](Family& family, const AppView& app, Labels labels) {
            if (!app.live || app.live->health == "unknown" || app.live->health == "unverified")
                return;
            family.add(std::move(labels), app.live->health == "healthy");
        }));
    page.gauge("belay_app_live_release", "Number of the live release; 0: none.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   family.add(std::move(labels),
                              static_cast<double>(app.live ? app.live->release : 0));
               }));
    page.gauge("belay_app_live_timestamp_seconds", "Since when the live release is live.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   if (app.live) family.add(std::move(labels), app.live->since);
               }));
    page.gauge("belay_app_standby_release",
               "Number of the release that is kept warm while the new one bakes; 0: none.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   family.add(std::move(labels), static_cast<double>(app.standby));
               }));
    page.gauge("belay_app_held", "1 while automatic deployments wait for `belay resume`.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   family.add(std::move(labels), app.hold.has_value());
               }));
    page.gauge("belay_app_hold_timestamp_seconds", "Since when the app is held; none: it is not.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   if (app.hold) family.add(std::move(labels), app.hold->since);
               }));
    page.gauge("belay_app_config_valid",
               "1 where the app's file was without errors when it was read last.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   family.add(std::move(labels), app.config_error.empty());
               }));
    page.gauge("belay_app_orphaned", "1 where the app's file is gone and what it made still runs.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   family.add(std::move(labels), app.orphaned);
               }));
    page.gauge("belay_app_poll_failures",
               "Polls of the repository in a row that failed; none where polling is off.",
               each(facts, [](Family& family, const AppView& app, Labels labels) {
                   if (app.poll)
                       family.add(std::move(labels), static_cast<double>(app.poll->failures));
               }));
    write_processes(page, facts);
}

}  // namespace belay::metrics
