// Bytes as the texts in which they are sent.
#pragma once

#include <string>
#include <string_view>

namespace belay::forge {

std::string to_hex(std::string_view bytes);     // lower case
std::string to_base64(std::string_view bytes);  // RFC 4648 §4, with padding

}  // namespace belay::forge
