// The few fields of a JSON text that a forge's reader needs, without building the text in memory
// (spec/decisions.md 27).
#pragma once

#include <belay/base/error.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belay::forge {

// A hint is a text that nothing depends on: what has another type is passed over.
enum class FieldType { text, boolean, hint };

// `path` joins names by dots; an array's elements are `name[]`: "data.changes[].ref". Wanted names
// hold no dots.
struct Field {
    std::string_view path;
    FieldType type = FieldType::text;
};

using FieldValue = std::variant<std::string, bool>;

// Is told each wanted field that is there and not null, in the order of the text; of an array's
// object element first "name[]" with an empty text.
using FieldSink = std::function<void(std::string_view path, FieldValue value)>;

// Reads the whole text. Errc::invalid with the byte where it is no JSON or no UTF-8, is no object,
// is nested deeper than 64, or names a wanted field twice in one object: receivers disagree on
// which of the two counts, so neither does. Otherwise the first wanted field that has another type
// than it should, in words, or none; of hints, and of what holds nothing but hints, none.
Result<std::optional<std::string>> read_fields(std::string_view json,
                                               const std::vector<Field>& wanted,
                                               const FieldSink& sink);

}  // namespace belay::forge
