// Wall-clock instants for records and people. Whatever waits uses the steady clock of
// async/timers.hpp.
#pragma once

#include <belay/base/error.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace belay {

using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

// UTC, to the millisecond: how instants are stored and shown.
using TimePoint = std::chrono::sys_time<Millis>;

// "2026-11-22T23:39:16.123Z" (RFC 3339).
std::string format_time(TimePoint time);
Result<TimePoint> parse_time(std::string_view text);

// "1h30m", "45s", "250ms"; the largest units that give the exact value. Zero is "0s".
std::string format_duration(Millis duration);

// One or more of NUMBER with h, m, s or ms, largest unit first: "1h30m", "0.5s". Errc::invalid says
// what is wrong.
Result<Millis> parse_duration(std::string_view text);

// "25MiB", "1GiB", "512" (bytes); KiB MiB GiB TiB and KB MB GB TB.
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);

}  // namespace belay
