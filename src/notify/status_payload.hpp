// A commit status' form in the outbox.
#pragma once

#include <belay/ports/outbox.hpp>

#include <string>
#include <string_view>

namespace belay::notify {

std::string encode(const ports::StatusReport& report);
// Errc::internal where it is not what encode() wrote.
Result<ports::StatusReport> decode_status(std::string_view text);

}  // namespace belay::notify
