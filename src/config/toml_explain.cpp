// What toml++'s messages mean for the person who wrote the line.
#include "config/toml_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace belay::config {
namespace {

const std::string kInline =
    "a line break inside { }: in TOML, all of { } stands on one line; join the lines";

struct Situation {
    std::string_view line;  // trimmed
    std::string_view description;
    std::string key;         // before "=", with its table's path; empty where there is none
    std::string_view value;  // behind it, without a comment
    const Value& before;

    bool says(std::string_view words) const { return description.find(words) != description.npos; }
};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

// "[service.web]" and "[[build]]" -> "service.web", "build"
std::string_view header_name(std::string_view line) {
    auto name = line.substr(0, line.find(']'));
    while (name.starts_with('['))
        name.remove_prefix(1);
    return trimmed(name);
}

// Follows a dotted path; the place of the value found last.
const Member* find_path(const Value& root, std::string_view path) {
    const Value* at = &root;
    const Member* member = nullptr;
    while (!path.empty()) {
        auto dot = std::min(path.find('.'), path.size());
        if (at->is_table_list()) at = &at->items.back();
        member = at->find(trimmed(path.substr(0, dot)));
        if (member == nullptr) return nullptr;
        at = &member->value;
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return member;
}

int line_of_member(const Member& member) {
    const auto& value = member.value;
    return value.is_table_list() ? value.items.front().place.line
                                 : std::max(value.place.line, member.key_place.line);
}

std::string explain_header(const Situation& at) {
    auto name = header_name(at.line);
    const auto* first = find_path(at.before, name);
    auto where =
        first == nullptr ? std::string() : fmt::format(", line {}", line_of_member(*first));
    bool list = at.line.starts_with("[[");
    if (at.says("cannot redefine existing table") && list)
        return fmt::format(
            "{0}: [[{0}]] stands beside [{0}]{1}: write all steps as [[{0}]], or one as [{0}]",
            name, where);
    if (at.says("cannot redefine existing array") && first != nullptr &&
        first->value.is_table_list())
        return fmt::format(
            "{0}: [{0}] stands beside [[{0}]]{1}: write all steps as [[{0}]], or one as [{0}]",
            name, where);
    if (first != nullptr && !first->value.is(Value::Kind::table) && !first->value.is_table_list())
        return fmt::format("{}: is a key with a value already{}; {}", name, where,
                           name.starts_with("service.")
                               ? "a process needs a name that no key of [service] has"
                               : "it can't be a table besides");
    return fmt::format("{0}: stands {1} already: put both into one [{0}]", name,
                       where.empty() ? "above" : "on" + where.substr(1));
}

std::string explain_duplicate(const Situation& at) {
    const auto* first = find_path(at.before, at.key);
    auto where =
        first == nullptr ? std::string("above") : fmt::format("on line {}", line_of_member(*first));
    return fmt::format("{}: stands {} already; keep one of them", at.key, where);
}

bool is_duration_or_size(std::string_view value) {
    auto digits = value.find_first_not_of("0123456789.");
    if (digits == 0 || digits == value.npos) return false;
    auto unit = value.substr(digits);
    return unit.find_first_not_of("0123456789hmsdKMGTiB%.") == unit.npos;
}

std::string explain_value(const Situation& at) {
    static constexpr std::array<std::string_view, 6> kYes{"yes", "on", "True", "TRUE", "Yes", "On"};
    static constexpr std::array<std::string_view, 6> kNo{"no",    "off", "False",
                                                         "FALSE", "No",  "Off"};
    auto is_one_of = [&](const auto& words) {
        return std::find(words.begin(), words.end(), at.value) != words.end();
    };
    if (at.value.empty()) return fmt::format("{}: the value behind \"=\" is missing", at.key);
    if (at.value == "off")
        return fmt::format("{}: write \"off\" in quotes, or false where a boolean is wanted",
                           at.key);
    if (is_one_of(kYes)) return fmt::format("{}: booleans are true and false; write true", at.key);
    if (is_one_of(kNo)) return fmt::format("{}: booleans are true and false; write false", at.key);
    if (is_duration_or_size(at.value))
        return fmt::format("{}: needs quotes: \"{}\"", at.key, at.value);
    // the value is not shown: it may be a secret
    return fmt::format("{}: a string needs quotes: {} = \"...\"", at.key,
                       at.key.substr(at.key.rfind('.') + 1));
}

std::string explain_string(const Situation& at) {
    if (at.says("escape sequence"))
        return fmt::format(
            "{}: a backslash begins an escape in \"...\"; write the string in '...' to have it as "
            "it is",
            at.key);
    return fmt::format(
        "{}: the quote that ends the string is missing on this line; a string of several lines "
        "stands "
        "in \"\"\"",
        at.key);
}

std::string plain(const Situation& at) {
    std::string words(at.description);
    static constexpr std::string_view kPrefix = "Error while parsing ";
    if (words.starts_with(kPrefix)) words = words.substr(kPrefix.size());
    return "is no valid TOML: " + words;
}

}  // namespace

namespace {

// "build.timeout" of a line "timeout = ..." below [build].
std::string path_of(std::string_view text, int line, std::string_view key) {
    for (int above = line - 1; above > 0; --above) {
        auto head = trimmed(line_of(text, above));
        if (head.starts_with('[') && head.find('=') == head.npos && head.find(']') != head.npos &&
            head.find_first_of("\"',") == head.npos)
            return std::string(header_name(head)) + "." + std::string(key);
    }
    return std::string(key);
}

}  // namespace

std::string explain_toml_error(std::string_view text, int line, int column,
                               std::string_view description, const Value& before) {
    auto whole = line_of(text, line);
    Situation at{trimmed(whole), description, {}, {}, before};
    auto equals = at.line.find('=');
    if (equals != at.line.npos && !at.line.starts_with('[')) {
        at.key = path_of(text, line, trimmed(at.line.substr(0, equals)));
        at.value = trimmed(at.line.substr(equals + 1));
        if (at.value.find_first_of("\"'") == at.value.npos)
            at.value = trimmed(at.value.substr(0, at.value.find('#')));
    }
    bool at_line_end = static_cast<std::size_t>(column) > whole.size();
    if (at.says("parsing inline table") &&
        (at.says("'\\n'") || at.says("end-of-file") || at_line_end))
        return at.key.empty() ? kInline
                              : fmt::format("{}: {}, or write it as a table of its own, [{}]",
                                            at.key, kInline, at.key);
    if (at.says("dangling comma"))
        return fmt::format("{}: a comma before }} has nothing behind it; take it away", at.key);
    if (at.says("cannot redefine"))
        return at.line.starts_with('[') ? explain_header(at) : explain_duplicate(at);
    if (at.line.starts_with('[') && at.says("table header"))
        return "a table's head reads [name], that of one of several steps [[name]]; this one does "
               "not";
    if (at.says("parsing array"))
        return "in an array, values stand between [ and ] with commas between them; one is missing "
               "here or on the line above";
    if (at.says("expected '='") || (equals == at.line.npos && at.says("key-value"))) {
        if (at.line.find(':') != at.line.npos && equals == at.line.npos)
            return "keys and values have \"=\" between them, not \":\"";
        return "expected KEY = VALUE or [TABLE]";
    }
    if (at.says("string")) return explain_string(at);
    if (at.says("expected a comment or whitespace"))
        return fmt::format(
            "{}: something stands behind the end of the value; a string with quotes in it stands "
            "in "
            "'...'",
            at.key);
    if (!at.key.empty() && (at.says("parsing value") || at.says("integer") || at.says("boolean") ||
                            at.says("floating-point") || at.says("expected value")))
        return explain_value(at);
    return plain(at);
}

}  // namespace belay::config
