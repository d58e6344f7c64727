// secrets/APP/NUMBER/PROCESS.env: "NAME=VALUE\0" for each variable, as in /proc/PID/environ.
#pragma once

#include <belay/release/releases.hpp>

#include <string>
#include <string_view>

namespace belay::release {

// Errc::invalid: a name that is empty or has "=" or NUL, or a value with NUL; the error never holds
// the value.
Result<std::string> encode_environment(const Variables& variables);
Result<Variables> decode_environment(std::string_view content);

}  // namespace belay::release
