#include "base64.hpp"

#include <algorithm>
#include <cstdint>

namespace belay::git {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
    std::string out;
    std::uint32_t bits = 0;
    int held = 0;
    std::size_t digits = 0;
    bool padded = false;
    for (char c : text) {
        if (c == '\n' || c == '\r') continue;
        if (c == '=') {
            padded = true;
            continue;
        }
        auto value = kAlphabet.find(c);
        if (value == std::string_view::npos || padded) return std::nullopt;
        ++digits;
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out.push_back(static_cast<char>((bits >> static_cast<unsigned>(held)) & 0xffU));
    }
    if (digits % 4 == 1) return std::nullopt;
    return out;
}

std::string encode_base64(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        auto count = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t j = 0; j < 3; ++j) {
            group = (group << 8U) | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out.push_back(j <= count
                              ? kAlphabet[(group >> (18U - 6U * static_cast<unsigned>(j))) & 0x3fU]
                              : '=');
        }
    }
    return out;
}

}  // namespace belay::git
