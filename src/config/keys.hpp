// The declarative table of keys: what a key is called, what it takes, where it goes, and what it
// means. Parsing, unknown keys, snapshots, differences and the documentation all come from it.
#pragma once

#include "config/reading.hpp"
#include "config/value.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::config {

// A key as messages and documentation need it.
struct KeyInfo {
    std::string name;
    std::string type;           // "duration"
    std::string default_value;  // as one would write it; empty: none
    std::string about;
    std::string later;          // not in effect yet: this sentence says what holds until then
    std::vector<KeyInfo> keys;  // of a table
    bool open = false;          // a table with keys of the user's own choice

    const KeyInfo* find(std::string_view key) const;
};

// How a value of one kind is read and written.
template <class T>
struct Kind {
    std::string words;    // "a duration"
    std::string example;  // as one would write it
    // Complains and leaves `into` alone where the value does not fit.
    std::function<void(Reading&, const std::string& path, const Value&, T& into)> read;
    std::function<Value(const T&)> write;  // Kind::none: left out

    void mismatch(Reading& reading, const std::string& path, const Value& value) const {
        reading.error(value.place, path,
                      "wants " + words + " such as " + example + ", not " + in_words(value));
    }
};

// A key that is known, but whose effect comes with a later version.
struct Later {
    std::string sentence;            // empty: in effect
    std::vector<std::string> inert;  // values, as spelled, that say what holds anyway
};

template <class Owner>
struct Key {
    KeyInfo info;
    Later later;
    std::function<void(Reading&, const std::string& path, const Value&, Owner&)> read;
    std::function<Value(const Owner&)> write;
};

template <class Owner>
using Keys = std::vector<Key<Owner>>;

template <class Owner>
std::vector<KeyInfo> infos(const Keys<Owner>& keys) {
    std::vector<KeyInfo> result;
    for (const auto& each : keys)
        result.push_back(each.info);
    return result;
}

// Says of the key at `path`, which `known` doesn't have, what was probably meant. `stands` is where
// its table's head is.
void complain_unknown(Reading& reading, const std::string& path, const Member& member, Place stands,
                      const std::vector<KeyInfo>& known);
// A key of the top of the file below another table: says so, and is true.
bool complain_misplaced(Reading& reading, const std::string& path, const Member& member,
                        Place stands);
void complain_no_table(Reading& reading, const std::string& path, const Value& value);
void warn_later(Reading& reading, const std::string& path, const Value& value, const Later& later);

template <class Owner>
void read_key(Reading& reading, const std::string& path, const Value& value, Owner& owner,
              const Key<Owner>& which) {
    reading.note(path, value.place);
    auto errors = reading.errors();
    which.read(reading, path, value, owner);
    if (reading.errors() == errors) warn_later(reading, path, value, which.later);
}

template <class Owner>
void read_table(Reading& reading, const std::string& path, const Value& value, Owner& owner,
                const Keys<Owner>& keys) {
    if (!value.is(Value::Kind::table)) return complain_no_table(reading, path, value);
    for (const auto& member : value.members) {
        auto at = std::find_if(keys.begin(), keys.end(),
                               [&](const auto& each) { return each.info.name == member.key; });
        if (at == keys.end())
            complain_unknown(reading, joined(path, member.key), member, value.place, infos(keys));
        else
            read_key(reading, joined(path, member.key), member.value, owner, *at);
    }
}

template <class Owner>
Value write_table(const Owner& owner, const Keys<Owner>& keys) {
    auto result = table();
    for (const auto& each : keys) {
        auto value = each.write(owner);
        if (!value.is(Value::Kind::none)) result.set(each.info.name, {}, std::move(value));
    }
    return result;
}

// --- building the table

template <class Owner, class T>
Key<Owner> key(std::string name, Kind<T> kind, T Owner::* member, std::string about,
               Later later = {}) {
    Key<Owner> made;
    auto type = kind.words.substr(kind.words.find(' ') + 1);
    made.info = {std::move(name),
                 type,
                 spell(kind.write(Owner{}.*member)),
                 std::move(about),
                 later.sentence,
                 {},
                 false};
    made.later = std::move(later);
    made.read = [kind, member](Reading& reading, const std::string& path, const Value& value,
                               Owner& owner) { kind.read(reading, path, value, owner.*member); };
    made.write = [kind, member](const Owner& owner) { return kind.write(owner.*member); };
    return made;
}

// A table of the file whose keys lie in the same struct.
template <class Owner>
Key<Owner> group(std::string name, Keys<Owner> keys, std::string about, Later later = {}) {
    Key<Owner> made;
    made.info = {std::move(name), "table",     "",   std::move(about),
                 later.sentence,  infos(keys), false};
    made.later = std::move(later);
    made.read = [keys](Reading& reading, const std::string& path, const Value& value,
                       Owner& owner) { read_table(reading, path, value, owner, keys); };
    made.write = [keys](const Owner& owner) { return write_table(owner, keys); };
    return made;
}

// A table of the file that is a struct of its own.
template <class Owner, class Part>
Key<Owner> part(std::string name, Keys<Part> keys, Part Owner::* member, std::string about,
                Later later = {}) {
    Key<Owner> made;
    made.info = {std::move(name), "table",     "",   std::move(about),
                 later.sentence,  infos(keys), false};
    made.later = std::move(later);
    made.read = [keys, member](Reading& reading, const std::string& path, const Value& value,
                               Owner& owner) {
        read_table(reading, path, value, owner.*member, keys);
    };
    made.write = [keys, member](const Owner& owner) { return write_table(owner.*member, keys); };
    return made;
}

// As key(), for a table whose keys the user chooses.
template <class Owner, class T>
Key<Owner> open_table(std::string name, Kind<T> kind, T Owner::* member, std::string about,
                      Later later = {}) {
    auto made = key(std::move(name), std::move(kind), member, std::move(about), std::move(later));
    made.info.open = true;
    return made;
}

}  // namespace belay::config
