#include "masker_forms.hpp"

#include <cstdint>
#include <set>
#include <string_view>

namespace belay {
namespace {

constexpr std::size_t kShortestValue = 4;
constexpr std::size_t kShortestLine = 6;  // spec/promises.md, security rules
constexpr std::size_t kShortestCore = 6;

// RFC 4648 sections 4 and 5.
constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string base64(std::string_view bytes, std::string_view alphabet) {
    std::string text;
    std::uint32_t bits = 0;
    int count = 0;
    for (char c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        for (count += 8; count >= 6;) {
            count -= 6;
            text += alphabet[(bits >> count) & 63u];
        }
    }
    if (count > 0) text += alphabet[(bits << (6 - count)) & 63u];
    return text;
}

// The digits that are the same whatever stands before (`shift` bytes, modulo 3) and after the
// value.
std::string base64_core(std::string_view value, std::size_t shift, std::string_view alphabet) {
    auto text = base64(std::string(shift, '\0') + std::string(value), alphabet);
    auto whole = (shift + value.size()) * 8 / 6;
    auto first = (shift * 8 + 5) / 6;
    return first < whole ? text.substr(first, whole - first) : std::string();
}

std::string url_encoded(std::string_view value, std::string_view plain, bool plus,
                        std::string_view digits) {
    std::string text;
    for (char c : value) {
        auto byte = static_cast<unsigned char>(c);
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || plain.find(c) != plain.npos) {
            text += c;
        } else if (plus && c == ' ') {
            text += '+';
        } else {
            text += '%';
            text += digits[byte >> 4];
            text += digits[byte & 15u];
        }
    }
    return text;
}

void add_encodings(std::string_view value, std::set<std::string>& forms) {
    for (auto alphabet : {kStandard, kUrlSafe}) {
        auto whole = base64(value, alphabet);
        forms.insert(whole + std::string((4 - whole.size() % 4) % 4, '='));
        forms.insert(whole);
        for (std::size_t shift = 0; shift < 3; ++shift) {
            auto core = base64_core(value, shift, alphabet);
            if (core.size() >= kShortestCore) forms.insert(core);
        }
    }
    // RFC 3986's unreserved characters, and encodeURIComponent's (ECMA-262), which leaves some
    // more.
    for (std::string_view plain : {"-._~", "-._~!*'()"})
        for (bool plus : {false, true})
            for (std::string_view digits : {"0123456789ABCDEF", "0123456789abcdef"})
                forms.insert(url_encoded(value, plain, plus, digits));
}

std::string_view without_end_of_line(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

void add_lines(std::string_view value, std::set<std::string>& forms) {
    while (!value.empty()) {
        auto end = value.find('\n');
        auto line = without_end_of_line(value.substr(0, end));
        if (line.size() >= kShortestLine) forms.insert(std::string(line));
        value = end == value.npos ? std::string_view() : value.substr(end + 1);
    }
}

}  // namespace

std::vector<std::string> masked_forms(const std::vector<Secret>& secrets) {
    std::set<std::string> forms;
    for (const auto& secret : secrets) {
        const auto& value = secret.reveal();
        auto trimmed = without_end_of_line(value);
        if (trimmed.size() < kShortestValue) continue;
        forms.insert(std::string(trimmed));
        add_lines(value, forms);
        add_encodings(trimmed, forms);
        if (trimmed.size() != value.size()) add_encodings(value, forms);  // `base64 < file`
    }
    return {forms.begin(), forms.end()};
}

}  // namespace belay
