// A delivery's JSON text, out of whatever encoding it came in.
#pragma once

#include <belay/ports/forge.hpp>

#include <string>
#include <string_view>

namespace belay::forge {

// Views the request's body, or owns what was decoded from a form.
struct HookBody {
    std::string decoded;
    std::string_view json;

    HookBody() = default;
    HookBody(const HookBody&) = delete;
    HookBody& operator=(const HookBody&) = delete;
};

// application/json as it is; application/x-www-form-urlencoded by its one field `payload`.
// Errc::invalid says what is wrong.
Result<void> read_body(const ports::HookRequest& request, HookBody& body);

// A header that goes into records: printable ASCII of at most 128 characters, or Errc::invalid.
Result<std::string> short_header(const ports::HookRequest& request, std::string_view name);

// The first line, cut to 200 bytes between code points.
std::string first_line(std::string_view text);

}  // namespace belay::forge
