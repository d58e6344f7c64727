// TOML text in, a tree with places out.
#pragma once

#include "config/value.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace belay::config {

struct TextError {
    int line = 0;
    int column = 0;
    std::string message;
};

struct ParsedText {
    Value root = table();
    std::optional<TextError> error;  // the first; then root is what stands in the lines before it
};

// Never throws, whatever the text.
ParsedText parse_toml(std::string_view text, Source source);

// What no TOML file has and no parser should meet: bytes that are no text, nesting without end.
std::optional<TextError> scan_text(std::string_view text);

// What the parser's words mean for the person who wrote this line. `before`: what stands in the
// lines above.
std::string explain_toml_error(std::string_view text, int line, int column,
                               std::string_view description, const Value& before);

// Without its end; empty where there is none.
std::string_view line_of(std::string_view text, int line);

}  // namespace belay::config
