#include "console.hpp"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace belay::cli {
namespace {

int terminal_width() {
    if (const char* columns = std::getenv("COLUMNS")) {
        int width = 0;
        std::string_view text(columns);
        std::from_chars(text.data(), text.data() + text.size(), width);
        if (width >= 40) return width;
    }
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
    return 80;
}

bool wants_color() {
    const char* off = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return (!off || !*off) && !(term && std::string_view(term) == "dumb");
}

}  // namespace

Console process_console() {
    bool terminal = ::isatty(STDOUT_FILENO) != 0;
    return Console{
        .out = std::cout,
        .err = std::cerr,
        .in = std::cin,
        .out_is_terminal = terminal,
        .in_is_terminal = ::isatty(STDIN_FILENO) != 0,
        .color = terminal && wants_color(),
        .width = terminal ? terminal_width() : 0,
        .now = [] { return std::chrono::floor<Millis>(std::chrono::system_clock::now()); },
    };
}

bool print(std::ostream& stream, std::string_view text) {
    stream << text << std::flush;
    return stream.good();
}

}  // namespace belay::cli
