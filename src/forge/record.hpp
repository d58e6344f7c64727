// A JSON text's wanted fields, by their paths.
#pragma once

#include "json_fields.hpp"

#include <belay/ports/forge.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::forge {

// Of the lists that a body has, more elements than these are not kept (lists of changes that are
// longer are refused).
inline constexpr std::size_t kMostElements = 1000;

class Values {
  public:
    void set(std::string_view path, FieldValue value);
    // None: it isn't there, or null.
    std::optional<std::string> text(std::string_view path) const;
    std::optional<bool> boolean(std::string_view path) const;
    std::string text_or_empty(std::string_view path) const;
    // The first of these that is there and not empty, else empty.
    std::string first_text(std::initializer_list<std::string_view> paths) const;
    bool has(std::string_view path) const { return values_.contains(path); }

  private:
    std::map<std::string, FieldValue, std::less<>> values_;
};

struct Record {
    Values values;
    // Elements of "LIST[]", each with the paths below it.
    std::map<std::string, std::vector<Values>, std::less<>> lists;
    std::optional<std::string> wrong;  // a field of another type than it should have, in words

    const std::vector<Values>& list(std::string_view name) const;
    // Errc::invalid for a list that was cut.
    Result<void> check_length(std::string_view name) const;
};

// Errc::invalid as read_fields() says.
Result<Record> read_record(std::string_view json, const std::vector<Field>& fields);

// The same of a request's body, which read_body() finds.
Result<Record> read_record_of(const ports::HookRequest& request, const std::vector<Field>& fields,
                              bool get = false);

}  // namespace belay::forge
