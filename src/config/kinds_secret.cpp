// References to secrets.
#include "config/grammar.hpp"
#include "config/kinds.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::config {
namespace {

using domain::SecretRef;

constexpr std::string_view kWays =
    "a secret is { file = \"/path\" }, { env = \"NAME\" }, { credential = \"name\" } or, last, the "
    "value itself";

struct Way {
    SecretRef::Kind kind;
    std::string_view key;
};
constexpr std::array<Way, 3> kKinds{Way{SecretRef::Kind::file, "file"},
                                    Way{SecretRef::Kind::env, "env"},
                                    Way{SecretRef::Kind::credential, "credential"}};

// Where an inline value can be read again: snapshots hold this in the value's place.
std::string locator(const Reading& reading, const std::string& path, const Value& value) {
    bool of_defaults = value.place.source == Source::server && reading.file() == File::app;
    auto prefix = of_defaults ? "defaults." : "";
    return fmt::format("{}#{}{}", reading.file_of(value.place.source), prefix, path);
}

bool read_inline(Reading& reading, const std::string& path, const Value& value, SecretRef& into) {
    if (value.text.empty() || value.text.find('\0') != value.text.npos) {
        reading.error(value.place, path, fmt::format("is empty; {}", kWays));
        return false;
    }
    into =
        SecretRef{SecretRef::Kind::inline_value, locator(reading, path, value), Secret(value.text)};
    return true;
}

bool check_name(Reading& reading, const std::string& path, const Value& value,
                SecretRef::Kind kind) {
    if (kind == SecretRef::Kind::file) {
        auto absolute = check_absolute_path(value.text);
        if (absolute && !absolute->empty()) return true;
        reading.error(value.place, path, absolute ? "names no file" : absolute.error().message);
        return false;
    }
    // a credential is a file in $CREDENTIALS_DIRECTORY (systemd.exec(5)), a variable a name
    auto slash = value.text.find_first_of("/=") != value.text.npos;
    if (!value.text.empty() && !slash && value.text != ".." && value.text != "." &&
        check_text(value.text))
        return true;
    reading.error(
        value.place, path,
        kind == SecretRef::Kind::env ? "is no variable's name" : "is no credential's name");
    return false;
}

bool read_secret(Reading& reading, const std::string& path, const Value& value, SecretRef& into) {
    if (value.is(Value::Kind::text)) return read_inline(reading, path, value, into);
    bool one = value.is(Value::Kind::table) && value.members.size() == 1 &&
               value.members[0].value.is(Value::Kind::text);
    if (!one) {
        reading.error(value.place, path, fmt::format("is {}; {}", in_words(value), kWays));
        return false;
    }
    const auto& member = value.members[0];
    if (member.key == "inline" && value.place.source == Source::snapshot) {
        into = SecretRef{SecretRef::Kind::inline_value, member.value.text, Secret()};
        return true;
    }
    for (const auto& way : kKinds) {
        if (member.key != way.key) continue;
        if (!check_name(reading, path, member.value, way.kind)) return false;
        into = SecretRef{way.kind, member.value.text, Secret()};
        return true;
    }
    reading.error(member.key_place, path,
                  fmt::format("\"{}\" is no way to a secret: {}", member.key, kWays));
    return false;
}

Value secret_value(const SecretRef& secret) {
    auto result = table();
    std::string key = "inline";
    for (const auto& way : kKinds)
        if (secret.kind == way.kind) key = way.key;
    result.set(key, {}, text(secret.name));
    return result;
}

}  // namespace

Kind<std::optional<SecretRef>> secret_kind() {
    Kind<std::optional<SecretRef>> kind{
        "a secret", "{ file = \"/etc/belay/secrets/shop.token\" }", {}, {}};
    kind.read = [](Reading& reading, const std::string& path, const Value& value,
                   std::optional<SecretRef>& into) {
        SecretRef secret;
        if (read_secret(reading, path, value, secret)) into = secret;
    };
    kind.write = [](const std::optional<SecretRef>& value) {
        return value ? secret_value(*value) : none();
    };
    return kind;
}

Kind<std::vector<SecretRef>> secrets_kind() {
    Kind<std::vector<SecretRef>> kind{
        "a secret, or an array of them", "{ file = \"/etc/belay/secrets/shop.hook\" }", {}, {}};
    kind.read = [](Reading& reading, const std::string& path, const Value& value,
                   std::vector<SecretRef>& into) {
        std::vector<SecretRef> secrets;
        bool several = value.is(Value::Kind::list);
        auto count = several ? value.items.size() : 1;
        for (std::size_t i = 0; i < count; ++i) {
            auto where = several ? fmt::format("{}[{}]", path, i + 1) : path;
            SecretRef secret;
            if (read_secret(reading, where, several ? value.items[i] : value, secret))
                secrets.push_back(secret);
            reading.note(where, several ? value.items[i].place : value.place);
        }
        if (several && count == 0 && value.place.source != Source::snapshot)
            reading.error(value.place, path, fmt::format("is empty; {}", kWays));
        into = secrets;
    };
    kind.write = [](const std::vector<SecretRef>& value) {
        std::vector<Value> items;
        for (const auto& each : value)
            items.push_back(secret_value(each));
        return list(std::move(items));
    };
    return kind;
}

Kind<std::map<std::string, SecretRef>> secret_table_kind() {
    using Secrets = std::map<std::string, SecretRef>;
    Kind<Secrets> kind{"a table of secrets",
                       "{ DATABASE_URL = { file = \"/etc/belay/secrets/shop.db\" } }",
                       {},
                       {}};
    kind.read = [kind](Reading& reading, const std::string& path, const Value& value,
                       Secrets& into) {
        if (!value.is(Value::Kind::table)) return kind.mismatch(reading, path, value);
        for (const auto& member : value.members) {
            auto where = joined(path, member.key);
            reading.note(where, member.value.place);
            auto name = check_variable(member.key);
            SecretRef secret;
            bool possible =
                member.value.is(Value::Kind::text) || member.value.is(Value::Kind::table);
            if (!possible && complain_misplaced(reading, where, member, value.place)) continue;
            if (!name)
                reading.error(member.key_place, where, name.error().message);
            else if (read_secret(reading, where, member.value, secret))
                into.insert_or_assign(member.key, secret);
        }
    };
    kind.write = [](const Secrets& value) {
        auto result = table();
        for (const auto& [name, secret] : value)
            result.set(name, {}, secret_value(secret));
        return result;
    };
    return kind;
}

}  // namespace belay::config
