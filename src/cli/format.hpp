// Small pieces of text: how instants, commits and states read in a terminal.
#pragma once

#include <belay/base/time.hpp>

#include <string>
#include <string_view>

namespace belay::cli {

enum class Style { plain, bold, dim, good, bad, busy };

// `text` between the escape sequences of `style`; unchanged without colour.
std::string styled(std::string_view text, Style style, bool color);

// How a deployment's, app's, release's or stage's state, a decision or a health reads.
Style style_of(std::string_view state);

// "now", "12s ago", "3m ago", "2h ago", "5d ago"; after 30 days the date. "in 5s", "in 6d" for the
// future.
std::string ago(TimePoint then, TimePoint now);

// "85ms", "1.2s", "34s", "2m05s", "1h12m"
std::string span(Millis duration);

// The first seven digits of a commit id; "-" for none.
std::string short_commit(std::string_view commit);

// refs/heads/main is "main", refs/tags/v1 is "v1"; others stay.
std::string short_ref(std::string_view ref);

// Control characters, escape sequences and invalid UTF-8 become "?": text of strangers (commit
// messages, bodies, logs) must not steer the terminal. Tabs become a space.
std::string printable(std::string_view text);

// Columns that UTF-8 text takes, where each code point takes one.
int display_width(std::string_view text);

// At most `width` columns; what is cut ends with "…".
std::string clipped(std::string_view text, int width);

}  // namespace belay::cli
