#include <belay/base/time.hpp>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace belay {

std::string format_time(TimePoint time) {
    using namespace std::chrono;
    auto day = floor<days>(time);
    year_month_day date{day};
    hh_mm_ss clock{time - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

Result<TimePoint> parse_time(std::string_view text) {
    using namespace std::chrono;
    auto bad = [&] {
        return Error{Errc::invalid,
                     fmt::format("\"{}\" is no time; write 2026-11-22T23:39:16Z", text)};
    };
    auto number = [&](std::size_t at, std::size_t length, int& into) {
        if (at + length > text.size()) return false;
        auto [end, failure] = std::from_chars(text.data() + at, text.data() + at + length, into);
        return failure == std::errc{} && end == text.data() + at + length;
    };
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, ms = 0;
    if (!number(0, 4, y) || !number(5, 2, mo) || !number(8, 2, d) || !number(11, 2, h) ||
        !number(14, 2, mi) || !number(17, 2, s) || text[4] != '-' || text[7] != '-' ||
        text[13] != ':' || text[16] != ':')
        return bad();
    std::size_t at = 19;
    if (at < text.size() && text[at] == '.') {
        auto digits = text.find_first_not_of("0123456789", at + 1);
        auto fraction =
            std::string(text.substr(at + 1, digits == text.npos ? text.npos : digits - at - 1));
        fraction.resize(3, '0');
        if (std::from_chars(fraction.data(), fraction.data() + 3, ms).ec != std::errc{})
            return bad();
        at = digits == text.npos ? text.size() : digits;
    }
    if (text.substr(at) != "Z" && text.substr(at) != "+00:00") return bad();
    year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
    if (!date.ok() || h > 23 || mi > 59 || s > 60) return bad();
    return TimePoint{sys_days{date}} + hours{h} + minutes{mi} + seconds{s} + Millis{ms};
}

std::string format_duration(Millis duration) {
    if (duration.count() == 0) return "0s";
    std::string text;
    auto rest = duration.count();
    if (rest < 0) {
        text = "-";
        rest = -rest;
    }
    static constexpr std::array units{std::pair{3'600'000LL, "h"}, std::pair{60'000LL, "m"},
                                      std::pair{1'000LL, "s"}, std::pair{1LL, "ms"}};
    for (auto [size, unit] : units) {
        if (rest >= size) text += fmt::format("{}{}", rest / size, unit);
        rest %= size;
    }
    return text;
}

Result<Millis> parse_duration(std::string_view text) {
    auto bad = [&](std::string_view why) {
        return Error{Errc::invalid,
                     fmt::format("\"{}\" is no duration: {}; write \"30s\", \"5m\" or \"1h30m\"",
                                 text, why)};
    };
    if (text.empty()) return bad("it is empty");
    if (text == "0") return Millis{0};
    double total = 0;
    double previous_unit = 1e18;
    std::size_t at = 0;
    while (at < text.size()) {
        double number = 0;
        auto [end, failure] = std::from_chars(text.data() + at, text.data() + text.size(), number,
                                              std::chars_format::fixed);
        if (failure != std::errc{} || number < 0) return bad("a number is missing");
        at = static_cast<std::size_t>(end - text.data());
        auto unit_end = text.find_first_of("0123456789.", at);
        auto unit = text.substr(at, unit_end == text.npos ? text.npos : unit_end - at);
        double size = unit == "h"    ? 3'600'000
                      : unit == "m"  ? 60'000
                      : unit == "s"  ? 1'000
                      : unit == "ms" ? 1
                      : unit == "d"  ? 86'400'000
                                     : 0;
        if (size == 0)
            return bad(unit.empty() ? "its unit is missing" : "units are d, h, m, s and ms");
        if (size >= previous_unit) return bad("the larger unit comes first");
        previous_unit = size;
        total += number * size;
        at += unit.size();
    }
    if (total > 1e14) return bad("it is too long");
    return Millis{std::llround(total)};
}

namespace {

constexpr std::array kSizeUnits{
    std::pair{std::string_view{"TiB"}, std::uint64_t{1} << 40},
    std::pair{std::string_view{"GiB"}, std::uint64_t{1} << 30},
    std::pair{std::string_view{"MiB"}, std::uint64_t{1} << 20},
    std::pair{std::string_view{"KiB"}, std::uint64_t{1} << 10},
    std::pair{std::string_view{"TB"}, std::uint64_t{1'000'000'000'000}},
    std::pair{std::string_view{"GB"}, std::uint64_t{1'000'000'000}},
    std::pair{std::string_view{"MB"}, std::uint64_t{1'000'000}},
    std::pair{std::string_view{"KB"}, std::uint64_t{1'000}},
    std::pair{std::string_view{"B"}, std::uint64_t{1}},
};

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
    auto bad = [&] {
        return Error{Errc::invalid,
                     fmt::format("\"{}\" is no size; write \"512MiB\" or \"1GiB\"", text)};
    };
    double number = 0;
    auto [end, failure] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (failure != std::errc{} || number < 0) return bad();
    auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
    while (unit.starts_with(' '))
        unit.remove_prefix(1);
    std::uint64_t size = unit.empty() ? 1 : 0;
    for (auto [name, bytes] : kSizeUnits)
        if (unit == name) size = bytes;
    if (size == 0) return bad();
    auto bytes = number * static_cast<double>(size);
    if (bytes > 9e18) return bad();
    return static_cast<std::uint64_t>(bytes);
}

std::string format_size(std::uint64_t bytes) {
    for (auto [name, size] : kSizeUnits) {
        if (name.size() != 3) continue;  // shown in powers of 1024 only
        if (bytes >= size) {
            if (bytes % size == 0) return fmt::format("{}{}", bytes / size, name);
            return fmt::format("{:.1f}{}", static_cast<double>(bytes) / static_cast<double>(size),
                               name);
        }
    }
    return fmt::format("{}B", bytes);
}

}  // namespace belay
