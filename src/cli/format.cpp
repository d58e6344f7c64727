#include "format.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::cli {
namespace {

std::string_view escape_of(Style style) {
    switch (style) {
        case Style::plain:
            return "";
        case Style::bold:
            return "\x1b[1m";
        case Style::dim:
            return "\x1b[2m";
        case Style::good:
            return "\x1b[32m";
        case Style::bad:
            return "\x1b[31m";
        case Style::busy:
            return "\x1b[33m";
    }
    return "";
}

// Bytes of the UTF-8 sequence that starts at `at`, 0 where it is none.
std::size_t sequence_length(std::string_view text, std::size_t at) {
    auto lead = static_cast<unsigned char>(text[at]);
    std::size_t length = lead < 0x80                   ? 1
                         : lead >= 0xc2 && lead < 0xe0 ? 2
                         : lead >= 0xe0 && lead < 0xf0 ? 3
                         : lead >= 0xf0 && lead < 0xf5 ? 4
                                                       : 0;
    if (length == 0 || at + length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 0;
    return length;
}

// C0 and C1 controls, DEL, and the marks that turn the direction of text around.
bool is_steering(std::string_view sequence) {
    auto lead = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return lead < 0x20 || lead == 0x7f;
    auto second = static_cast<unsigned char>(sequence[1]);
    if (sequence.size() == 2) return lead == 0xc2 && second < 0xa0;
    if (sequence.size() != 3 || lead != 0xe2) return false;
    auto third = static_cast<unsigned char>(sequence[2]);
    return (second == 0x80 &&
            (third == 0x8e || third == 0x8f || (third >= 0xa8 && third <= 0xae))) ||
           (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

}  // namespace

std::string styled(std::string_view text, Style style, bool color) {
    if (!color || style == Style::plain || text.empty()) return std::string(text);
    return fmt::format("{}{}\x1b[0m", escape_of(style), text);
}

Style style_of(std::string_view state) {
    static constexpr std::array kGood{"live", "healthy", "passed", "running", "ready"};
    static constexpr std::array kBad{"failed",   "rolled_back", "down",     "degraded", "bad",
                                     "rejected", "unhealthy",   "flapping", "exited",   "gone"};
    static constexpr std::array kDim{"canceled", "superseded", "ignored",   "duplicate", "retired",
                                     "pruned",   "none",       "unknown",   "standby",   "sealed",
                                     "stopped",  "-",          "unverified"};
    for (std::string_view each : kGood)
        if (state == each) return Style::good;
    for (std::string_view each : kBad)
        if (state == each) return Style::bad;
    for (std::string_view each : kDim)
        if (state == each) return Style::dim;
    return state.empty() ? Style::plain : Style::busy;
}

std::string ago(TimePoint then, TimePoint now) {
    using namespace std::chrono;
    if (then > now + days{2}) return fmt::format("in {}d", duration_cast<days>(then - now).count());
    if (then > now + seconds{1}) return fmt::format("in {}", span(then - now));
    auto passed = duration_cast<seconds>(now - then);
    if (passed < seconds{2}) return "now";
    if (passed < minutes{1}) return fmt::format("{}s ago", passed.count());
    if (passed < hours{1}) return fmt::format("{}m ago", duration_cast<minutes>(passed).count());
    if (passed < days{1}) return fmt::format("{}h ago", duration_cast<hours>(passed).count());
    if (passed < days{30}) return fmt::format("{}d ago", duration_cast<days>(passed).count());
    return format_time(then).substr(0, 10);
}

std::string span(Millis duration) {
    auto ms = duration.count() < 0 ? 0 : duration.count();
    if (ms < 1'000) return fmt::format("{}ms", ms);
    if (ms < 10'000) return fmt::format("{}.{}s", ms / 1'000, ms % 1'000 / 100);
    auto seconds = ms / 1'000;
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3'600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    return fmt::format("{}h{:02}m", seconds / 3'600, seconds % 3'600 / 60);
}

std::string short_commit(std::string_view commit) {
    return commit.empty() ? "-" : printable(commit.substr(0, 7));
}

std::string short_ref(std::string_view ref) {
    for (std::string_view prefix : {"refs/heads/", "refs/tags/"})
        if (ref.starts_with(prefix)) return printable(ref.substr(prefix.size()));
    return printable(ref);
}

std::string printable(std::string_view text) {
    std::string clean;
    clean.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        auto length = sequence_length(text, at);
        if (text[at] == '\t')
            clean += ' ';
        else if (length == 0 || is_steering(text.substr(at, length)))
            clean += '?';
        else
            clean += text.substr(at, length);
        at += length == 0 ? 1 : length;
    }
    return clean;
}

int display_width(std::string_view text) {
    int width = 0;
    for (char c : text)
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++width;
    return width;
}

std::string clipped(std::string_view text, int width) {
    if (width <= 0 || display_width(text) <= width) return std::string(text);
    std::size_t end = 0;
    for (int columns = 0; end < text.size(); ++end)
        if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && ++columns == width) break;
    return std::string(text.substr(0, end)) + "…";
}

}  // namespace belay::cli
