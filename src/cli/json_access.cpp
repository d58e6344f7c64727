#include "json_access.hpp"

#include "format.hpp"

namespace belay::cli {

Json parse_json(const std::string& text) {
    auto parsed = Json::parse(text, nullptr, false);
    return parsed.is_discarded() ? Json() : parsed;
}

const Json& member_of(const Json& object, std::string_view key) {
    static const Json kNull;
    if (!object.is_object()) return kNull;
    auto found = object.find(key);
    return found == object.end() ? kNull : *found;
}

const Json& items_of(const Json& list) {
    static const Json kEmpty = Json::array();
    if (list.is_array()) return list;
    const auto& items = member_of(list, "items");
    return items.is_array() ? items : kEmpty;
}

std::string text_of(const Json& object, std::string_view key) {
    const auto& member = member_of(object, key);
    if (member.is_string()) return member.get<std::string>();
    return member.is_number() ? member.dump() : std::string{};
}

std::string shown_of(const Json& object, std::string_view key) {
    return printable(text_of(object, key));
}

std::optional<std::int64_t> number_of(const Json& object, std::string_view key) {
    const auto& member = member_of(object, key);
    if (!member.is_number()) return std::nullopt;
    return member.get<std::int64_t>();
}

bool flag_of(const Json& object, std::string_view key) {
    const auto& member = member_of(object, key);
    return member.is_boolean() && member.get<bool>();
}

std::optional<TimePoint> time_of(const Json& object, std::string_view key) {
    const auto& member = member_of(object, key);
    if (!member.is_string()) return std::nullopt;
    auto time = parse_time(member.get_ref<const std::string&>());
    if (!time) return std::nullopt;
    return *time;
}

}  // namespace belay::cli
