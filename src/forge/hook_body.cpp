#include "hook_body.hpp"

#include <algorithm>
#include <optional>

namespace belay::forge {
namespace {

constexpr std::size_t kLongestLine = 200;
constexpr std::size_t kLongestHeader = 128;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Result<std::string> decode_form(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            bytes += ' ';
        } else if (text[i] != '%') {
            bytes += text[i];
        } else {
            auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return Error{Errc::invalid,
                             "the form's field \"payload\" has a % without two hex digits"};
            bytes += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return bytes;
}

Result<std::string_view> find_payload(std::string_view form) {
    std::optional<std::string_view> payload;
    while (!form.empty()) {
        auto end = std::min(form.find('&'), form.size());
        auto field = form.substr(0, end);
        if (field.starts_with("payload=")) {
            if (payload) return Error{Errc::invalid, "the form has the field \"payload\" twice"};
            payload = field.substr(8);
        }
        form.remove_prefix(std::min(end + 1, form.size()));
    }
    if (!payload) return Error{Errc::invalid, "the form has no field \"payload\""};
    return *payload;
}

bool is_form(std::string_view content_type) {
    constexpr std::string_view kForm = "application/x-www-form-urlencoded";
    auto type = content_type.substr(0, content_type.find_first_of("; \t"));
    return std::equal(type.begin(), type.end(), kForm.begin(), kForm.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

}  // namespace

Result<void> read_body(const ports::HookRequest& request, HookBody& body) {
    body.json = request.body;
    if (!is_form(request.header("Content-Type"))) return {};
    auto payload = find_payload(request.body);
    if (!payload) return payload.error();
    auto decoded = decode_form(*payload);
    if (!decoded) return decoded.error();
    body.decoded = std::move(*decoded);
    body.json = body.decoded;
    return {};
}

Result<std::string> short_header(const ports::HookRequest& request, std::string_view name) {
    auto value = request.header(name);
    if (value.size() > kLongestHeader ||
        !std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
        return Error{Errc::invalid, "the header " + std::string(name) +
                                        " is longer than 128 characters or not printable"};
    return std::string(value);
}

std::string first_line(std::string_view text) {
    text = text.substr(0, text.find_first_of("\r\n"));
    if (text.size() > kLongestLine) {
        auto end = kLongestLine;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u)
            --end;
        text = text.substr(0, end);
    }
    return std::string(text);
}

}  // namespace belay::forge
