// The encoding of keys and host names in OpenSSH's files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace belay::git {

// None where a character or the length is wrong. Line breaks are passed over.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace belay::git
