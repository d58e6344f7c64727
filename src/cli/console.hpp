// Where a command prints, and how much the reader's side can show.
#pragma once

#include <belay/base/time.hpp>

#include <functional>
#include <iosfwd>
#include <string_view>

namespace belay::cli {

struct Console {
    std::ostream& out;
    std::ostream& err;
    std::istream& in;
    bool out_is_terminal = false;
    bool in_is_terminal = false;
    bool color = false;
    int width = 0;  // columns of the terminal; 0: unlimited
    std::function<TimePoint()> now;
};

// The process's own streams: a terminal's width and colour, NO_COLOR (no-color.org) and TERM=dumb
// honoured.
Console process_console();

// Prints and flushes; false when nobody reads any more.
bool print(std::ostream& stream, std::string_view text);

}  // namespace belay::cli
