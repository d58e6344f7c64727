#include "target.hpp"

#include <algorithm>
#include <optional>

namespace belay::http {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// A query's values may hold control characters (the payload of a signed GET is JSON in lines),
// names and paths may not.
std::optional<std::string> decode(std::string_view text, bool plus, bool control = false) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (plus && c == '+') c = ' ';
        if (c == '%') {
            auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (!control && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) return std::nullopt;
        decoded += c;
    }
    return decoded;
}

// What stands before the delimiter; `text` keeps the rest.
std::string_view cut(std::string_view& text, char delimiter) {
    auto end = std::min(text.find(delimiter), text.size());
    auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

Error bad_target() {
    return Error{Errc::invalid, "the request's target is no path that is understood"};
}

}  // namespace

std::string_view Target::param(std::string_view name) const {
    for (const auto& [key, value] : query)
        if (key == name) return value;
    return {};
}

Result<Target> parse_target(std::string_view text) {
    if (!text.starts_with('/')) return bad_target();
    Target target;
    auto path = cut(text, '?');
    path.remove_prefix(1);
    bool slash_at_end = path.ends_with('/');
    if (slash_at_end) return bad_target();
    while (!path.empty()) {
        auto segment = decode(cut(path, '/'), false);
        if (!segment || segment->empty() || *segment == "." || *segment == "..")
            return bad_target();
        target.segments.push_back(std::move(*segment));
    }
    while (!text.empty()) {
        auto field = cut(text, '&');
        auto name = decode(cut(field, '='), true);
        auto value = decode(field, true, true);
        if (!name || !value) return bad_target();
        target.query.emplace_back(std::move(*name), std::move(*value));
    }
    return target;
}

}  // namespace belay::http
