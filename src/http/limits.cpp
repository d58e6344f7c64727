#include "limits.hpp"

#include <algorithm>
#include <cmath>

namespace belay::http {
namespace {

constexpr std::size_t kAddresses = 4096;
constexpr std::size_t kNames = 1024;

constexpr Rate kRefused{100, 10};
// From here on nothing of the address is looked at; what is above falls within half a minute.
constexpr double kFlood = 2000;
constexpr double kFloodTop = 2300;
constexpr Rate kServed{500, 50};
constexpr Rate kRefusedOfApp{200, 20};
// What one leaked secret can make grow. No forge comes near it: a million at once, and two millions
// a day.
constexpr Rate kSigned{1'000'000, 25};

// One customer has at least a /64 of IPv6 (RFC 6177).
std::string key_of(const Address& address) {
    constexpr std::size_t kPrefix = 8;
    auto bytes = address.is_v4() ? address.bytes.size() : kPrefix;
    return {reinterpret_cast<const char*>(address.bytes.data()), bytes};
}

std::optional<Seconds> wait_for(double level, double allowed, double per_second) {
    if (level <= allowed) return std::nullopt;
    return Seconds(static_cast<Seconds::rep>(std::ceil((level - allowed) / per_second)));
}

}  // namespace

double Levels::now(Entry& entry, double per_second) {
    auto at = timers_.steady_now();
    std::chrono::duration<double> passed = at - entry.at;
    entry.level = std::max(0.0, entry.level - passed.count() * per_second);
    entry.at = at;
    return entry.level;
}

double Levels::add(const std::string& key, double per_second, double top) {
    auto place = entries_.find(key);
    if (place == entries_.end()) {
        if (entries_.size() >= most_) {
            entries_.erase(used_.back());
            used_.pop_back();
        }
        used_.push_front(key);
        place = entries_.emplace(key, Entry{0, timers_.steady_now(), used_.begin()}).first;
    } else {
        used_.splice(used_.begin(), used_, place->second.place);
    }
    auto& entry = place->second;
    entry.level = std::min(top, now(entry, per_second) + 1);
    return entry.level;
}

double Levels::level(const std::string& key, double per_second) {
    auto place = entries_.find(key);
    return place == entries_.end() ? 0 : now(place->second, per_second);
}

void Levels::lower(const std::string& key, double level) {
    auto place = entries_.find(key);
    if (place != entries_.end()) place->second.level = std::min(place->second.level, level);
}

Limits::Limits(async::Timers& timers)
    : refusals_(timers, kAddresses),
      answers_(timers, kAddresses),
      app_names_(timers, kNames),
      apps_(timers, kNames) {}

std::optional<Seconds> Limits::shut_out(const Address& client) {
    if (refusals_.size() == 0) return std::nullopt;
    return wait_for(refusals_.level(key_of(client), kRefused.per_second), kFlood,
                    kRefused.per_second);
}

std::optional<Seconds> Limits::refused(const Address& client, std::string_view app) {
    auto level = refusals_.add(key_of(client), kRefused.per_second, kFloodTop);
    auto wait = wait_for(level, kRefused.burst, kRefused.per_second);
    if (app.empty()) return wait;
    auto of_app = app_names_.add(std::string(app), kRefusedOfApp.per_second, kFloodTop);
    return std::max(wait, wait_for(of_app, kRefusedOfApp.burst, kRefusedOfApp.per_second));
}

std::optional<Seconds> Limits::served(const Address& client) {
    auto level = answers_.add(key_of(client), kServed.per_second, kServed.burst + 1);
    return wait_for(level, kServed.burst, kServed.per_second);
}

std::optional<Seconds> Limits::signed_delivery(const Address& client, const std::string& app) {
    // A forge that also carries others' rubbish is not to be shut out for it.
    if (refusals_.size() > 0) refusals_.lower(key_of(client), kRefused.burst);
    auto level = apps_.add(app, kSigned.per_second, kSigned.burst + 1);
    return wait_for(level, kSigned.burst, kSigned.per_second);
}

}  // namespace belay::http
