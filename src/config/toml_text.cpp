// The one place that sees toml++.
#include "config/toml_text.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

namespace belay::config {
namespace {

Place place_of(const toml::source_region& region, Source source) {
    return {source, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

Value converted(const toml::node& node, Source source);

Value converted_scalar(const toml::node& node) {
    if (const auto* content = node.as_string()) return text(content->get());
    if (const auto* content = node.as_boolean()) return boolean(content->get());
    if (const auto* content = node.as_integer()) return integer(content->get());
    if (const auto* content = node.as_floating_point()) return real(content->get());
    std::ostringstream written;
    if (const auto* content = node.as_date()) written << content->get();
    if (const auto* content = node.as_time()) written << content->get();
    if (const auto* content = node.as_date_time()) written << content->get();
    Value value = text(written.str());
    value.kind = Value::Kind::time;
    return value;
}

Value converted_table(const toml::table& content, Source source) {
    auto value = table();
    for (const auto& [key, node] : content)
        value.set(std::string(key.str()), place_of(key.source(), source), converted(node, source));
    return value;
}

Value converted_list(const toml::array& content, Source source) {
    std::vector<Value> items;
    for (const auto& node : content)
        items.push_back(converted(node, source));
    return list(std::move(items));
}

Value converted(const toml::node& node, Source source) {
    Value value = node.is_table()   ? converted_table(*node.as_table(), source)
                  : node.is_array() ? converted_list(*node.as_array(), source)
                                    : converted_scalar(node);
    value.place = place_of(node.source(), source);
    return value;
}

// The lines above `line`, whose last statement may be cut off: lines are dropped until it parses.
Value parse_before(std::string_view text, int line, Source source) {
    constexpr int kTries = 3;
    std::size_t end = static_cast<std::size_t>(line_of(text, line).data() - text.data());
    for (int tries = 0; tries < kTries && end > 0; ++tries) {
        try {
            return converted_table(toml::parse(text.substr(0, end)), source);
        } catch (const toml::parse_error&) {
            auto newline = end < 2 ? text.npos : text.rfind('\n', end - 2);
            end = newline == text.npos ? 0 : newline + 1;
        }
    }
    return table();
}

}  // namespace

ParsedText parse_toml(std::string_view text, Source source) {
    ParsedText parsed;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    parsed.error = scan_text(text);
    if (parsed.error) return parsed;
    try {
        parsed.root = converted_table(toml::parse(text), source);
    } catch (const toml::parse_error& failure) {
        auto at = place_of(failure.source(), source);
        parsed.root = parse_before(text, at.line, source);
        parsed.error = TextError{
            at.line, at.column,
            explain_toml_error(text, at.line, at.column, failure.description(), parsed.root)};
    }
    return parsed;
}

}  // namespace belay::config
