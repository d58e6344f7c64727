// What a configuration file says, before anybody knows what it means: one tree for TOML and for
// snapshots in JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::config {

// Which of the files that together make an app's configuration.
enum class Source { app, server, snapshot };

// Line and column count from 1; 0: of the file as a whole.
struct Place {
    Source source = Source::app;
    int line = 0;
    int column = 0;

    bool operator==(const Place&) const = default;
};

struct Member;

struct Value {
    enum class Kind { none, text, boolean, integer, real, time, list, table };

    Kind kind = Kind::none;
    Place place;
    std::string text;  // of text; of time as it was written
    bool boolean = false;
    std::int64_t integer = 0;
    double real = 0;
    std::vector<Value> items;
    std::vector<Member> members;  // sorted by key

    bool is(Kind wanted) const { return kind == wanted; }
    bool is_table_list() const;  // [[build]]
    const Member* find(std::string_view key) const;
    const Value* get(std::string_view key) const;
    // Replaces or adds, keeping the order.
    void set(std::string key, Place key_place, Value value);
    void erase(std::string_view key);
};

struct Member {
    std::string key;
    Place key_place;
    Value value;
};

Value none();
Value text(std::string content);
Value boolean(bool content);
Value integer(std::int64_t content);
Value real(double content);
Value list(std::vector<Value> items);
Value table();

// As one would write it in TOML, tables inline: for documentation and messages.
std::string spell(const Value& value);

// "the number 30", "an array", "a table": for messages. A text is not shown, as it may be a secret.
std::string in_words(const Value& value);

// Whether both say the same, places apart.
bool same(const Value& left, const Value& right);

// `above` laid over `below`: tables key by key, all else (and references to secrets) as a whole.
Value merged(const Value& below, const Value& above);

}  // namespace belay::config
