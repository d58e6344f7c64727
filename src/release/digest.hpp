// SHA-256, the identity of a sealed file's content.
#pragma once

#include <belay/base/error.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belay::release {

using Digest = std::array<unsigned char, 32>;

Digest digest_of(std::string_view bytes);
// From the file's present position to its end. The error carries no name: the caller knows it.
Result<Digest> digest_of_file(int fd);

std::string to_hex(const Digest& digest);
std::optional<Digest> parse_hex(std::string_view text);

}  // namespace belay::release
