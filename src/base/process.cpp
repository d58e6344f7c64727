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
    if (!exit.known) return "ended, but how is unknown";
    if (exit.signal != 0) return "killed by " + signal_name(exit.signal);
    return fmt::format("exited with code {}", exit.code);
}

}  // namespace belay
