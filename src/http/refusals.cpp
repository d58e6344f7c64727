#include "refusals.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace belay::http {
namespace {

constexpr double kPerSecond = 2;
constexpr double kBurst = 5;

}  // namespace

bool Refusals::allowed(Allowance& allowance) const {
    auto now = timers_.steady_now();
    std::chrono::duration<double> passed = now - allowance.at;
    allowance.tokens = std::min(kBurst, allowance.tokens + passed.count() * kPerSecond);
    allowance.at = now;
    if (allowance.tokens < 1) return false;
    allowance.tokens -= 1;
    return true;
}

void Refusals::record(const std::string& app, std::string forge, int status, std::string reason) {
    auto& allowance =
        allowances_.try_emplace(app, Allowance{kBurst, timers_.steady_now()}).first->second;
    if (!allowed(allowance)) {
        ++allowance.unrecorded;
        return;
    }
    if (auto missed = std::exchange(allowance.unrecorded, 0); missed > 0)
        reason += fmt::format(" (and {} more refused before it)", missed);
    tasks_.spawn("refusal", write(app, std::move(forge), status, std::move(reason)));
}

// The answer is written in the turn of the loop in which it was decided.
Task<void> Refusals::write(std::string app, std::string forge, int status, std::string reason) {
    co_await boost::asio::post(boost::asio::use_awaitable);
    co_await api_.record_refusal(std::move(app), std::move(forge), status, std::move(reason));
}

}  // namespace belay::http
