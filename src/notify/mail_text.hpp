// The encodings of mail.
#pragma once

#include <belay/base/time.hpp>

#include <string>
#include <string_view>

namespace belay::notify {

// "Wed, 25 Nov 2026 03:04:05 +0000" (RFC 5322 §3.3).
std::string mail_date(TimePoint at);

// Printable ASCII as it is; anything else as encoded words of RFC 2047, folded. `used` letters of
// the first line are the header's name.
std::string encoded_header(std::string_view text, std::size_t used);

// RFC 2045 §6.7, lines ending in CRLF.
std::string quoted_printable(std::string_view text);

}  // namespace belay::notify
