#include "text.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace belay::notify {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

// The length of the well-formed code point at the text's begin, and its value; 0: there is none.
std::size_t code_point(std::string_view text, std::uint32_t& value) {
    auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) {
        value = first;
        return 1;
    }
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (length == 0 || first > 0xf4 || text.size() < length) return 0;
    value = first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        value = value << 6 | (byte(i) & 0x3fU);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kLeast[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    return length;
}

bool turns_direction(std::uint32_t value) {
    return (value >= 0x202a && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069) ||
           value == 0x200e || value == 0x200f;
}

// "\x1b[31m" and the like (ECMA-48 §5.4).
std::size_t control_sequence(std::string_view text) {
    if (text.size() < 2 || text[0] != '\x1b' || text[1] != '[') return 0;
    std::size_t length = 2;
    while (length < text.size() && text[length] >= 0x20 && text[length] <= 0x3f)
        ++length;
    return length < text.size() ? length + 1 : length;
}

std::string clean(std::string_view text, bool lines) {
    std::string result;
    while (!text.empty()) {
        if (auto length = control_sequence(text)) {
            text.remove_prefix(length);
            continue;
        }
        std::uint32_t value = 0;
        const auto length = code_point(text, value);
        if (length == 0) {
            result += kReplacement;
            text.remove_prefix(1);
            continue;
        }
        const bool is_break = value == '\n' || value == '\t';
        const bool controls = value < 0x20 || (value >= 0x7f && value < 0xa0);
        if (is_break)
            result += lines ? static_cast<char>(value) : ' ';
        else if (!controls && !turns_direction(value))
            result += text.substr(0, length);
        text.remove_prefix(length);
    }
    return result;
}

bool continues(char byte) {
    return (static_cast<std::uint8_t>(byte) & 0xc0) == 0x80;
}

}  // namespace

std::string clean_line(std::string_view text) {
    return clean(text, false);
}
std::string clean_lines(std::string_view text) {
    return clean(text, true);
}

std::string cut(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    if (limit < kEllipsis.size()) return {};
    auto end = limit - kEllipsis.size();
    while (end > 0 && continues(text[end]))
        --end;
    text.resize(end);
    return text += kEllipsis;
}

std::string cut_front(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    if (limit < kEllipsis.size()) return {};
    auto begin = text.size() - (limit - kEllipsis.size());
    while (begin < text.size() && continues(text[begin]))
        ++begin;
    return std::string(kEllipsis) + text.substr(begin);
}

std::string escaped(std::string_view text, std::string_view special, std::string_view before) {
    std::string result;
    for (char letter : text) {
        if (special.find(letter) != special.npos) result += before;
        result += letter;
    }
    return result;
}

std::string html(std::string_view text) {
    std::string result;
    for (char letter : text) {
        switch (letter) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += letter;
        }
    }
    return result;
}

std::string url_part(std::string_view text) {
    std::string result;
    for (char letter : text) {
        const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                           (letter >= '0' && letter <= '9') || letter == '-' || letter == '.' ||
                           letter == '_' || letter == '~';
        if (plain)
            result += letter;
        else
            result += fmt::format("%{:02X}", static_cast<std::uint8_t>(letter));
    }
    return result;
}

}  // namespace belay::notify
