// Text of others made fit to be shown: whole code points, nothing that controls, not too long.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace belay::notify {

// Valid UTF-8 (what is not becomes U+FFFD), without control characters and without those that turn
// the direction of writing; line breaks become spaces. Bytes of colour sequences go as a whole.
std::string clean_line(std::string_view text);
// The same, but line breaks and tabs stay.
std::string clean_lines(std::string_view text);

// At most `limit` bytes, on a code point's boundary, with "…" where something was left out.
std::string cut(std::string text, std::size_t limit);
// The same of the beginning: what is last is kept.
std::string cut_front(std::string text, std::size_t limit);

// Every appearance of a letter of `special` with `before` in front of it.
std::string escaped(std::string_view text, std::string_view special, std::string_view before);
// & < > " as entities.
std::string html(std::string_view text);
// Percent-encoded, but for RFC 3986's unreserved letters.
std::string url_part(std::string_view text);

}  // namespace belay::notify
