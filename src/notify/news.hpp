// What one message says: an alert, how often it came, and who else has the same; and its form in
// the outbox.
#pragma once

#include <belay/base/error.hpp>
#include <belay/domain/alert.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace belay::notify {

struct News {
    domain::Alert alert;                // the newest
    int count = 1;                      // of the same news of this app
    TimePoint since{};                  // when the first of them came
    bool again = false;                 // an earlier message told of it already
    std::vector<domain::Alert> others;  // the same of other apps, one each
    bool test = false;                  // `belay notify test`

    bool operator==(const News&) const = default;
};

// One log line and all of them are bounded, in bytes.
inline constexpr std::size_t kLogLine = 400;
inline constexpr std::size_t kLogBytes = 4'000;
inline constexpr std::size_t kOthers = 50;

// The alert with every text cleaned and cut to what a message can hold.
domain::Alert bounded(domain::Alert alert);

std::string encode(const News& news);
// Errc::internal where it is not what encode() wrote.
Result<News> decode(std::string_view text);

// Repeats of the same key within quiet_time() are counted, not sent.
std::string key_of(const domain::Alert& alert);
// What several apps may have at once, so that one message tells of all; empty: never.
std::string group_of(const domain::Alert& alert);
// 0: every one is sent.
Millis quiet_time(domain::AlertEvent event);
// Whether an alert with that key is sent once and never again.
bool is_once(domain::AlertEvent event);

}  // namespace belay::notify
