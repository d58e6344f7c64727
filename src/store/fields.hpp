// How one C++ value becomes one column, and back.
#pragma once

#include "sqlite.hpp"

#include <belay/base/id.hpp>
#include <belay/base/time.hpp>
#include <belay/domain/access.hpp>
#include <belay/domain/deployment.hpp>
#include <belay/domain/push.hpp>
#include <belay/domain/release.hpp>
#include <belay/ports/outbox.hpp>

#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace belay::store {

// --- writing
inline void put(Query& query, std::string_view value) {
    query.bind(value);
}
template <std::integral Integer>
void put(Query& query, Integer value) {
    query.bind(static_cast<std::int64_t>(value));
}
template <class Tag>
void put(Query& query, Id<Tag> id) {
    query.bind(id.value);
}
inline void put(Query& query, TimePoint time) {
    query.bind(static_cast<std::int64_t>(time.time_since_epoch().count()));
}
template <class Enum>
    requires std::is_enum_v<Enum>
void put(Query& query, Enum value) {
    query.bind(to_string(value));
}
template <class Value>
void put(Query& query, const std::optional<Value>& value) {
    if (value)
        put(query, *value);
    else
        query.bind_null();
}

// --- reading
inline auto parse_word(std::string_view text, const domain::State&) {
    return domain::parse_state(text);
}
inline auto parse_word(std::string_view text, const domain::Reason&) {
    return domain::parse_reason(text);
}
inline auto parse_word(std::string_view text, const domain::Trigger&) {
    return domain::parse_trigger(text);
}
inline auto parse_word(std::string_view text, const domain::Plan&) {
    return domain::parse_plan(text);
}
inline auto parse_word(std::string_view text, const domain::StageState&) {
    return domain::parse_stage_state(text);
}
inline auto parse_word(std::string_view text, const domain::PushKind&) {
    return domain::parse_push_kind(text);
}
inline auto parse_word(std::string_view text, const domain::Decision&) {
    return domain::parse_decision(text);
}
inline auto parse_word(std::string_view text, const domain::Role&) {
    return domain::parse_role(text);
}
inline auto parse_word(std::string_view text, const domain::Rule&) {
    return domain::parse_rule(text);
}
inline auto parse_word(std::string_view text, const domain::ReleaseState&) {
    return domain::parse_release_state(text);
}
inline auto parse_word(std::string_view text, const ports::OutgoingKind&) {
    return ports::parse_outgoing_kind(text);
}
inline auto parse_word(std::string_view text, const ports::OutgoingState&) {
    return ports::parse_outgoing_state(text);
}
inline std::optional<domain::RefType> parse_word(std::string_view text, const domain::RefType&) {
    if (text == to_string(domain::RefType::branch)) return domain::RefType::branch;
    if (text == to_string(domain::RefType::tag)) return domain::RefType::tag;
    return std::nullopt;
}

// Why a column's value can't be taken; empty when it was.
using Complaint = std::string;

inline Complaint take(Query& query, std::string& value) {
    value = query.next_text();
    return {};
}
template <std::integral Integer>
Complaint take(Query& query, Integer& value) {
    auto stored = query.next_integer();
    if constexpr (std::same_as<Integer, bool>) {
        value = stored != 0;
    } else {
        if (stored < std::numeric_limits<Integer>::min() ||
            stored > std::numeric_limits<Integer>::max())
            return "out of range: " + std::to_string(stored);
        value = static_cast<Integer>(stored);
    }
    return {};
}
template <class Tag>
Complaint take(Query& query, Id<Tag>& id) {
    id.value = query.next_integer();
    return {};
}
inline Complaint take(Query& query, TimePoint& time) {
    time = TimePoint(Millis(query.next_integer()));
    return {};
}
template <class Enum>
    requires std::is_enum_v<Enum>
Complaint take(Query& query, Enum& value) {
    auto text = query.next_text();
    auto known = parse_word(text, value);
    if (!known) return "unknown word \"" + std::string(text) + '"';
    value = *known;
    return {};
}
template <class Value>
Complaint take(Query& query, std::optional<Value>& value) {
    if (query.next_is_null()) {
        query.skip();
        value.reset();
        return {};
    }
    return take(query, value.emplace());
}

}  // namespace belay::store
