#include "bake_monitor.hpp"

#include "run_end.hpp"
#include "services.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

namespace belay::engine {

BakeMonitor::BakeMonitor(Services& services, RunSetPtr set, ReleaseNumber previous,
                         OnProbe on_probe)
    : services_(services),
      timers_(services.world.timers),
      set_(std::move(set)),
      previous_(previous),
      on_probe_(std::move(on_probe)),
      unit_(services, set_->manifest, set_->manifest.health.interval,
            [this](const domain::UnitChange& change) { on_unit(change); }),
      tasks_(services.world.executor) {}

void BakeMonitor::start() {
    began_ = timers_.steady_now();
    exits_ = services_.fleet.watch(*set_, [this](const Member& member, const ports::RunInfo& info) {
        on_change(member, info);
    });
    if (!services_.fleet.all_running(*set_))
        trip(domain::Reason::exited, "a process of it ended before it was watched", std::nullopt);
    for (std::size_t i = 0; i < set_->members.size(); ++i)
        if (set_->members[i].serves) tasks_.spawn("bake probes", watch_member(i));
    tasks_.spawn("bake unit", unit_.start());
    tasks_.spawn("bake traffic", watch_traffic());
}

Task<void> BakeMonitor::stop() {
    exits_.end();
    ended_.request();
    co_await tasks_.join();
    co_await unit_.stop();
}

void BakeMonitor::on_change(const Member& member, const ports::RunInfo& info) {
    if (info.state == ports::RunState::running) return;
    auto how = how_it_ended(info);
    trip(reason_of_end(info),
         fmt::format("{} {} while its release was watched", member.process, how), info.last_exit);
}

void BakeMonitor::on_unit(const domain::UnitChange& change) {
    if (change.ended()) {
        if (tripped_.is_set() || ended_.requested()) return;
        failure_ = change.failure;
        failure_.detail += ", while its release was watched";
        tripped_.set();
        return;
    }
    log::info("another process is the unit's main one: its watch begins anew",
              {{"app", set_->manifest.app}, {"unit", set_->manifest.unit->name}});
    began_ = timers_.steady_now();
}

void BakeMonitor::trip(domain::Reason reason, std::string detail, const std::optional<Exit>& exit) {
    if (tripped_.is_set() || ended_.requested()) return;
    failure_.reason = reason;
    failure_.detail = std::move(detail);
    if (exit && exit->known) {
        if (exit->signal != 0)
            failure_.signal = exit->signal;
        else
            failure_.exit_code = exit->code;
    }
    tripped_.set();
}

Task<void> BakeMonitor::watch_member(std::size_t index) {
    domain::Watch watch(set_->manifest.health);
    while (!ended_.requested()) {
        auto began = timers_.steady_now();
        auto probe = co_await probe_member(services_, set_, index, ended_);
        if (ended_.requested()) co_return;
        auto verdict = watch.on_probe(probe.passed());
        auto error = probe.error;
        on_probe_(std::move(probe));
        if (verdict == domain::Verdict::unhealthy)
            trip(domain::Reason::unhealthy,
                 fmt::format("{} probes in a row failed while it was watched, the last: {}",
                             set_->manifest.health.unhealthy, error),
                 std::nullopt);
        if (verdict == domain::Verdict::flapping)
            trip(domain::Reason::flapping,
                 fmt::format("{} of its last {} probes failed while it was watched, the last: {}",
                             domain::kFlapFailures, domain::kFlapWindow, error),
                 std::nullopt);
        auto spent = std::chrono::duration_cast<Millis>(timers_.steady_now() - began);
        auto rest = set_->manifest.health.interval - spent;
        const bool slept = co_await timers_.sleep(std::max(rest, Millis{1}), ended_);
        if (!slept) co_return;
    }
}

Task<std::optional<std::pair<domain::TrafficSample, domain::TrafficSample>>> BakeMonitor::sample() {
    auto counters = co_await services_.world.traffic.counters(set_->manifest.app);
    if (!counters) co_return std::nullopt;  // no data is no verdict
    domain::TrafficSample own, before;
    for (const auto& release : *counters) {
        domain::TrafficSample seen{static_cast<std::int64_t>(release.requests),
                                   static_cast<std::int64_t>(release.failed())};
        if (release.release == set_->release())
            own = seen;
        else if (release.release == previous_)
            before = seen;
    }
    co_return std::pair{own, before};
}

Task<void> BakeMonitor::watch_traffic() {
    // What the release answered in an earlier life (a rollback's target) is not its present doing.
    auto start = co_await sample();
    while (true) {
        const bool slept = co_await timers_.sleep(set_->manifest.health.interval, ended_);
        if (!slept) co_return;
        auto now = co_await sample();
        if (!now || !start) {
            if (!start) start = now;
            continue;
        }
        if (now->first.requests < start->first.requests) start->first = {};  // the proxy began anew
        domain::TrafficSample own{now->first.requests - start->first.requests,
                                  now->first.errors - start->first.errors};
        if (domain::too_many_errors(own, now->second, set_->manifest.traffic.rollback_on))
            trip(domain::Reason::error_ratio,
                 fmt::format("{} of {} requests to it failed (more than {:.3g} %)", own.errors,
                             own.requests, set_->manifest.traffic.rollback_on.error_ratio * 100),
                 std::nullopt);
    }
}

Task<bool> BakeMonitor::passes_now() {
    for (std::size_t i = 0; i < set_->members.size(); ++i) {
        if (!set_->members[i].serves) continue;
        auto probe = co_await probe_member(services_, set_, i, ended_);
        auto passed = probe.passed();
        on_probe_(std::move(probe));
        if (!passed) co_return false;
    }
    co_return true;
}

}  // namespace belay::engine
