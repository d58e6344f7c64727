// Reading the API's JSON without trust in its shape: what is missing or of another type reads as
// empty, so that an older command goes on with a newer daemon and the other way round.
#pragma once

#include <belay/base/time.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belay::cli {

using Json = nlohmann::json;

// null where the text is no JSON.
Json parse_json(const std::string& text);

// A string as it is, a number in digits, anything else "".
std::string text_of(const Json& object, std::string_view key);
// Like text_of, with control characters made harmless.
std::string shown_of(const Json& object, std::string_view key);
std::optional<std::int64_t> number_of(const Json& object, std::string_view key);
bool flag_of(const Json& object, std::string_view key);
std::optional<TimePoint> time_of(const Json& object, std::string_view key);
// The member, or null.
const Json& member_of(const Json& object, std::string_view key);
// The "items" of a list, the array itself, or an empty array.
const Json& items_of(const Json& list);

}  // namespace belay::cli
