#include "config/value.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

template <class Members>
auto position(Members& members, std::string_view key) {
    return std::lower_bound(
        members.begin(), members.end(), key,
        [](const Member& member, std::string_view wanted) { return member.key < wanted; });
}

std::string quoted(std::string_view content) {
    std::string result = "\"";
    for (char c : content) {
        if (c == '"' || c == '\\') result += '\\';
        if (c == '\n')
            result += "\\n";
        else if (c == '\t')
            result += "\\t";
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            result += fmt::format("\\u{:04X}", static_cast<int>(c));
        else
            result += c;
    }
    return result + '"';
}

bool is_bare_key(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

// `{ file = "..." }` and its like are one value, never merged with another.
bool is_reference(const Value& value) {
    if (value.members.size() != 1 || !value.members[0].value.is(Value::Kind::text)) return false;
    const auto& key = value.members[0].key;
    return key == "file" || key == "env" || key == "credential";
}

}  // namespace

bool Value::is_table_list() const {
    return kind == Kind::list && !items.empty() &&
           std::all_of(items.begin(), items.end(),
                       [](const Value& item) { return item.is(Kind::table); });
}

const Member* Value::find(std::string_view key) const {
    auto at = position(members, key);
    return at != members.end() && at->key == key ? &*at : nullptr;
}

const Value* Value::get(std::string_view key) const {
    const auto* member = find(key);
    return member == nullptr ? nullptr : &member->value;
}

void Value::set(std::string key, Place key_place, Value value) {
    auto at = position(members, key);
    if (at != members.end() && at->key == key)
        *at = Member{std::move(key), key_place, std::move(value)};
    else
        members.insert(at, Member{std::move(key), key_place, std::move(value)});
}

void Value::erase(std::string_view key) {
    auto at = position(members, key);
    if (at != members.end() && at->key == key) members.erase(at);
}

Value none() {
    return {};
}

Value text(std::string content) {
    Value value;
    value.kind = Value::Kind::text;
    value.text = std::move(content);
    return value;
}

Value boolean(bool content) {
    Value value;
    value.kind = Value::Kind::boolean;
    value.boolean = content;
    return value;
}

Value integer(std::int64_t content) {
    Value value;
    value.kind = Value::Kind::integer;
    value.integer = content;
    return value;
}

Value real(double content) {
    Value value;
    value.kind = Value::Kind::real;
    value.real = content;
    return value;
}

Value list(std::vector<Value> items) {
    Value value;
    value.kind = Value::Kind::list;
    value.items = std::move(items);
    return value;
}

Value table() {
    Value value;
    value.kind = Value::Kind::table;
    return value;
}

std::string spell(const Value& value) {
    switch (value.kind) {
        case Value::Kind::none:
            return "";
        case Value::Kind::text:
            return quoted(value.text);
        case Value::Kind::boolean:
            return value.boolean ? "true" : "false";
        case Value::Kind::integer:
            return std::to_string(value.integer);
        case Value::Kind::real: {
            auto digits = fmt::format("{}", value.real);
            return digits.find_first_of(".en") == digits.npos ? digits + ".0" : digits;
        }
        case Value::Kind::time:
            return value.text;
        case Value::Kind::list: {
            std::string result;
            for (const auto& item : value.items)
                result += (result.empty() ? "" : ", ") + spell(item);
            return "[" + result + "]";
        }
        case Value::Kind::table:
            break;
    }
    std::string result;
    for (const auto& member : value.members) {
        if (member.value.is(Value::Kind::none)) continue;
        auto key = is_bare_key(member.key) ? member.key : quoted(member.key);
        result += (result.empty() ? " " : ", ") + key + " = " + spell(member.value);
    }
    return result.empty() ? "{}" : "{" + result + " }";
}

std::string in_words(const Value& value) {
    switch (value.kind) {
        case Value::Kind::none:
            return "nothing";
        case Value::Kind::text:
            return "a string";
        case Value::Kind::boolean:
            return value.boolean ? "the boolean true" : "the boolean false";
        case Value::Kind::integer:
        case Value::Kind::real:
            return "the number " + spell(value);
        case Value::Kind::time:
            return "the date or time " + value.text;
        case Value::Kind::list:
            return value.is_table_list() ? "a list of tables" : "an array";
        case Value::Kind::table:
            return "a table";
    }
    return "something else";
}

bool same(const Value& left, const Value& right) {
    if (left.kind != right.kind || left.text != right.text || left.boolean != right.boolean ||
        left.integer != right.integer || left.real != right.real)
        return false;
    return std::equal(left.items.begin(), left.items.end(), right.items.begin(), right.items.end(),
                      same) &&
           std::equal(left.members.begin(), left.members.end(), right.members.begin(),
                      right.members.end(), [](const Member& a, const Member& b) {
                          return a.key == b.key && same(a.value, b.value);
                      });
}

Value merged(const Value& below, const Value& above) {
    if (!below.is(Value::Kind::table) || !above.is(Value::Kind::table) || is_reference(below) ||
        is_reference(above))
        return above;
    auto result = below;
    result.place = above.place;
    for (const auto& member : above.members) {
        const auto* there = below.get(member.key);
        result.set(member.key, member.key_place,
                   there == nullptr ? member.value : merged(*there, member.value));
    }
    return result;
}

}  // namespace belay::config
