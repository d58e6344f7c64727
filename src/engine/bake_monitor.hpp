// Watches a release from the switch to the end of its bake: exits, its unit, probes, and what its
// users get.
#pragma once

#include "fleet.hpp"
#include "unit_watch.hpp"

#include <belay/async/event.hpp>
#include <belay/async/task_group.hpp>
#include <belay/domain/verdict.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace belay::engine {

struct Services;

// Loop thread only. stop() must return before it goes.
class BakeMonitor {
  public:
    using OnProbe = std::function<void(domain::Probe)>;

    BakeMonitor(Services& services, RunSetPtr set, ReleaseNumber previous, OnProbe on_probe);

    void start();
    Task<void> stop();

    // Set as soon as the release must not stay; failure() says why.
    async::Event& tripped() { return tripped_; }
    const domain::Failure& failure() const { return failure_; }
    // All serving instances passed their last probe: asked at the very end, where one more probe
    // decides.
    Task<bool> passes_now();
    // When that began which has to hold: the switch, or another main process of its unit after it.
    async::SteadyTime began() const { return began_; }

  private:
    Task<void> watch_member(std::size_t index);
    Task<void> watch_traffic();
    void on_change(const Member& member, const ports::RunInfo& info);
    void on_unit(const domain::UnitChange& change);
    void trip(domain::Reason reason, std::string detail, const std::optional<Exit>& exit);
    Task<std::optional<std::pair<domain::TrafficSample, domain::TrafficSample>>> sample();

    Services& services_;
    async::Timers& timers_;
    RunSetPtr set_;
    ReleaseNumber previous_;
    OnProbe on_probe_;
    UnitWatch unit_;
    async::TaskGroup tasks_;
    async::Cancel ended_;
    async::Event tripped_;
    async::Subscription exits_;
    domain::Failure failure_;
    async::SteadyTime began_{};
};

}  // namespace belay::engine
