#include <belay/base/process.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace belay {

Result<int> parse_signal(std::string_view text) {
    int number = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure == std::errc() && end == text.data() + text.size() && number >= 1 && number <= 64)
        return number;
    auto name = text.starts_with("SIG") ? text.substr(3) : text;
    for (int candidate = 1; candidate < 32; ++candidate) {
        const char* known = sigabbrev_np(candidate);
        if (known != nullptr && name == known) return candidate;
    }
    return Error{Errc::invalid,
                 fmt::format("\"{}\" is no signal: use a name as TERM, or a number", text)};
}

std::string signal_name(int number) {
    const char* name = sigabbrev_np(number);
    return name != nullptr ? name : fmt::format("signal {}", number);
}

std::string describe(const Exit& exit) {
    std::string text = !exit.known        ? "ended, but how is unknown"
                       : exit.signal != 0 ? "killed by " + signal_name(exit.signal)
                                          : fmt::format("exited with code {}", exit.code);
    if (!exit.oom) return text;
    text += ": out of memory";
    if (exit.memory_limit != 0) text += ", at its limit of " + format_size(exit.memory_limit);
    return text;
}

}  // namespace belay
