// Length-prefixed strings, as in RFC 4251 §5: what keys are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace belay::git {

inline std::optional<std::uint32_t> take_number(std::string_view& bytes) {
    if (bytes.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (char c : bytes.substr(0, 4))
        value = (value << 8U) | static_cast<unsigned char>(c);
    bytes.remove_prefix(4);
    return value;
}

inline std::optional<std::string_view> take_string(std::string_view& bytes) {
    auto length = take_number(bytes);
    if (!length || *length > bytes.size()) return std::nullopt;
    auto value = bytes.substr(0, *length);
    bytes.remove_prefix(*length);
    return value;
}

// The type's name at the head of a public key's bytes; empty where there is none.
inline std::string_view key_type(std::string_view key) {
    return take_string(key).value_or(std::string_view());
}

}  // namespace belay::git
