#include "idempotency.hpp"

#include <fmt/format.h>

#include <chrono>

namespace belay::http {
namespace {

constexpr std::size_t kMost = 1000;
constexpr std::size_t kLongestKey = 255;
constexpr std::chrono::hours kKept{24};

std::string name_of(const Request& request) {
    auto key = request.header("Idempotency-Key");
    if (key.empty() || key.size() > kLongestKey) return {};
    return fmt::format("{} {}", request.peer.uid, key);
}

std::string text_of(const Request& request) {
    return fmt::format("{} {}\n{}", request.raw.method, request.raw.target, request.raw.body);
}

}  // namespace

void Idempotency::drop_old() {
    auto now = timers_.steady_now();
    while (!ages_.empty()) {
        auto oldest = entries_.find(ages_.front());
        if (entries_.size() <= kMost && now - oldest->second.at < kKept) break;
        entries_.erase(oldest);
        ages_.pop_front();
    }
}

std::optional<Response> Idempotency::find(const Request& request) {
    auto name = name_of(request);
    if (name.empty()) return std::nullopt;
    drop_old();
    auto place = entries_.find(name);
    if (place == entries_.end()) {
        auto age = ages_.insert(ages_.end(), name);
        entries_.emplace(name, Entry{text_of(request), std::nullopt, timers_.steady_now(), age});
        return std::nullopt;
    }
    const auto& entry = place->second;
    if (entry.request != text_of(request))
        return problem(422, "invalid", "another request was made under this Idempotency-Key");
    if (!entry.response)
        return problem(409, "conflict",
                       "the first request under this Idempotency-Key is being done");
    return entry.response;
}

void Idempotency::remember(const Request& request, const Response& response) {
    auto place = entries_.find(name_of(request));
    if (place == entries_.end()) return;
    if (response.status < 500) {
        place->second.response = response;
        return;
    }
    ages_.erase(place->second.age);
    entries_.erase(place);
}

}  // namespace belay::http
