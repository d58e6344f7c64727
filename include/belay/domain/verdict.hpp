// When a release is healthy, and when it no longer is: judged from probes and counters alone
// (reference/deploy-safety.md §2.2-2.4).
#pragma once

#include <belay/domain/config.hpp>
#include <belay/domain/deployment.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace belay::domain {

using SteadyTime = std::chrono::steady_clock::time_point;

enum class Verdict { pending, healthy, unhealthy, flapping, deadline };
std::string_view to_string(Verdict verdict);

// Flap rule: this many failures among the last ten are as bad as `unhealthy` in a row.
inline constexpr int kFlapFailures = 4;
inline constexpr int kFlapWindow = 10;

// Judges a candidate: `healthy` passes in a row and an unbroken run of `min_healthy_time` since its
// first pass. Before the first pass failures count as starting; only the deadline ends that.
class Verification {
  public:
    Verification(const Health& health, SteadyTime process_started);

    Verdict on_probe(bool passed, SteadyTime at);
    // Nobody looked for so long, as the daemon itself was stopped or the machine suspended: the
    // deadline does not count that time, and the stability window begins anew.
    void skip(Millis unseen);
    // What it has passed until now says nothing; the deadline stays.
    void begin_anew();
    // For the deadline, where no probe result comes.
    Verdict on_time(SteadyTime at) const;
    bool passed_once() const { return passed_once_; }

  private:
    Verdict fail(SteadyTime at);

    int healthy_;
    int unhealthy_;
    Millis min_healthy_time_;
    SteadyTime deadline_;
    SteadyTime run_began_{};
    int passes_ = 0;    // in a row
    int failures_ = 0;  // in a row, since the first pass
    bool passed_once_ = false;
    std::uint16_t window_ = 0;  // 1: failed; the last ten since the first pass
};

// Judges a release that has the traffic: unhealthy after `unhealthy` failures in a row or by the
// flap rule; healthy again after `healthy` passes in a row.
class Watch {
  public:
    explicit Watch(const Health& health);

    Verdict on_probe(bool passed);
    Verdict verdict() const { return verdict_; }

  private:
    int healthy_;
    int unhealthy_;
    int passes_ = 0;
    int failures_ = 0;
    std::uint16_t window_ = 0;
    Verdict verdict_ = Verdict::healthy;
};

// A release's answers as its users saw them, from the proxy's counters.
struct TrafficSample {
    std::int64_t requests = 0;
    std::int64_t errors = 0;  // 5xx, connect errors, resets and timeouts of the upstream
};

// True when the candidate's error ratio is above both limits and enough requests came; too few are
// inconclusive.
bool too_many_errors(const TrafficSample& candidate, const TrafficSample& previous,
                     const RollbackOn& limits);

}  // namespace belay::domain
