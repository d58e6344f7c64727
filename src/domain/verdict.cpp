#include <belay/domain/verdict.hpp>

#include <algorithm>
#include <bit>

namespace belay::domain {
namespace {

constexpr std::uint16_t kWindowMask = (1u << kFlapWindow) - 1;

std::uint16_t shifted(std::uint16_t window, bool failed) {
    return static_cast<std::uint16_t>(((window << 1) | (failed ? 1 : 0)) & kWindowMask);
}

bool flaps(std::uint16_t window) {
    return std::popcount(window) >= kFlapFailures;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::pending:
            return "pending";
        case Verdict::healthy:
            return "healthy";
        case Verdict::unhealthy:
            return "unhealthy";
        case Verdict::flapping:
            return "flapping";
        case Verdict::deadline:
            return "deadline";
    }
    return "";
}

Verification::Verification(const Health& health, SteadyTime process_started)
    : healthy_(health.healthy),
      unhealthy_(health.unhealthy),
      min_healthy_time_(health.min_healthy_time),
      deadline_(process_started + health.deadline) {}

Verdict Verification::on_probe(bool passed, SteadyTime at) {
    if (!passed) return fail(at);
    if (passes_ == 0) run_began_ = at;
    passed_once_ = true;
    failures_ = 0;
    window_ = shifted(window_, false);
    ++passes_;
    // The stability window outranks the deadline only when it is reached in time.
    if (passes_ >= healthy_ && at - run_began_ >= min_healthy_time_ && at <= deadline_)
        return Verdict::healthy;
    return on_time(at);
}

void Verification::skip(Millis unseen) {
    deadline_ += unseen;
    passes_ = 0;
}

void Verification::begin_anew() {
    passes_ = 0;
    failures_ = 0;
    passed_once_ = false;
    window_ = 0;
}

Verdict Verification::fail(SteadyTime at) {
    passes_ = 0;
    if (!passed_once_) return on_time(at);
    window_ = shifted(window_, true);
    if (++failures_ >= unhealthy_) return Verdict::unhealthy;
    if (flaps(window_)) return Verdict::flapping;
    return on_time(at);
}

Verdict Verification::on_time(SteadyTime at) const {
    return at > deadline_ ? Verdict::deadline : Verdict::pending;
}

Watch::Watch(const Health& health) : healthy_(health.healthy), unhealthy_(health.unhealthy) {}

Verdict Watch::on_probe(bool passed) {
    window_ = shifted(window_, !passed);
    if (passed) {
        failures_ = 0;
        if (++passes_ >= healthy_ && verdict_ != Verdict::healthy) {
            verdict_ = Verdict::healthy;
            window_ = 0;
        }
        return verdict_;
    }
    passes_ = 0;
    if (++failures_ >= unhealthy_)
        verdict_ = Verdict::unhealthy;
    else if (verdict_ == Verdict::healthy && flaps(window_))
        verdict_ = Verdict::flapping;
    return verdict_;
}

bool too_many_errors(const TrafficSample& candidate, const TrafficSample& previous,
                     const RollbackOn& limits) {
    if (candidate.requests < std::max(1, limits.min_requests)) return false;
    auto ratio = static_cast<double>(candidate.errors) / static_cast<double>(candidate.requests);
    auto before = previous.requests > 0 ? static_cast<double>(previous.errors) /
                                              static_cast<double>(previous.requests)
                                        : 0.0;
    return ratio > limits.error_ratio && ratio > limits.baseline * before;
}

}  // namespace belay::domain
