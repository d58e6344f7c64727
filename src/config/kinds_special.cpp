// Commands, environments, status ranges, and who is told of what.
#include "config/grammar.hpp"
#include "config/kinds.hpp"
#include "config/nearest.hpp"

#include <belay/domain/alert.hpp>

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace belay::config {
namespace {

// belay's own list of what a channel can be told (spec/interfaces.md §2).
const std::vector<std::string> kEvents = [] {
    std::vector<std::string> names;
    for (int i = 0; i < domain::kAlertEventCount; ++i)
        names.emplace_back(to_string(static_cast<domain::AlertEvent>(i)));
    return names;
}();

bool has_zero(std::string_view content) {
    return content.find('\0') != content.npos;
}

void read_argv(Reading& reading, const std::string& path, const Value& value,
               domain::Command& into) {
    std::vector<std::string> argv;
    for (const auto& item : value.items) {
        if (!item.is(Value::Kind::text))
            return reading.error(item.place, path,
                                 "each part of a command is a string, not " + in_words(item));
        if (has_zero(item.text)) return reading.error(item.place, path, "has a zero byte");
        argv.push_back(item.text);
    }
    if (argv.empty() || argv[0].empty())
        return reading.error(value.place, path,
                             "is empty; write a command such as \"npm ci && npm run build\"");
    if (argv[0].find_first_of(" \t\n") != argv[0].npos)
        return reading.error(
            value.items[0].place, path,
            fmt::format(
                "the first part of an array is the program alone, but \"{0}\" is a whole command "
                "line: write it as a string, run = \"{0}\", or split it into its words",
                argv[0]));
    into = domain::Command{{}, argv};
}

// "200-299" or "304"
std::optional<domain::StatusRange> parse_range(std::string_view part) {
    while (part.starts_with(' '))
        part.remove_prefix(1);
    while (part.ends_with(' '))
        part.remove_suffix(1);
    domain::StatusRange range;
    auto dash = part.find('-');
    auto first = part.substr(0, dash);
    auto last = dash == part.npos ? first : part.substr(dash + 1);
    auto number = [](std::string_view digits, int& into) {
        auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
        return failure == std::errc{} && end == digits.data() + digits.size() && into >= 100 &&
               into <= 599;
    };
    if (!number(first, range.first) || !number(last, range.last) || range.first > range.last)
        return std::nullopt;
    return range;
}

bool read_ranges(Reading& reading, const std::string& path, const Value& value,
                 std::vector<domain::StatusRange>& into) {
    std::string_view rest = value.text;
    std::string number;
    if (value.is(Value::Kind::integer)) rest = number = std::to_string(value.integer);
    if (!value.is(Value::Kind::text) && number.empty()) {
        reading.error(value.place, path,
                      "wants statuses such as \"200-299,304\", not " + in_words(value));
        return false;
    }
    while (true) {
        auto comma = rest.find(',');
        auto range = parse_range(rest.substr(0, comma));
        if (!range) {
            reading.error(
                value.place, path,
                fmt::format("\"{}\" are no statuses between 100 and 599; write \"200-299,304\"",
                            number.empty() ? value.text : number));
            return false;
        }
        into.push_back(*range);
        if (comma == rest.npos) return true;
        rest.remove_prefix(comma + 1);
    }
}

std::string scalar_text(const Value& value) {
    return value.is(Value::Kind::text) ? value.text : spell(value);
}

bool is_scalar(const Value& value) {
    return value.is(Value::Kind::text) || value.is(Value::Kind::integer) ||
           value.is(Value::Kind::real) || value.is(Value::Kind::boolean);
}

Value environment_value(const domain::Environment& environment) {
    auto result = table();
    for (const auto& [name, content] : environment)
        result.set(name, {}, text(content));
    return result;
}

Kind<domain::Environment> text_map(std::string words, std::string example, Check check_name,
                                   bool lines) {
    Kind<domain::Environment> kind{std::move(words), std::move(example), {}, environment_value};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    domain::Environment& into) {
        if (!value.is(Value::Kind::table)) return kind.mismatch(reading, path, value);
        for (const auto& member : value.members) {
            auto where = joined(path, member.key);
            reading.note(where, member.value.place);
            auto name = check_name(member.key);
            if (!is_scalar(member.value)) {
                // also the fate of a key of the file's top that fell under this table
                if (!complain_misplaced(reading, where, member, value.place))
                    reading.error(
                        member.value.place, where,
                        "wants a string, a number or a boolean, not " + in_words(member.value));
            } else if (!name) {
                reading.error(member.key_place, where, name.error().message);
            } else if (has_zero(member.value.text) ||
                       (!lines && !check_text(scalar_text(member.value)))) {
                reading.error(member.value.place, where, "has a line break or control character");
            } else {
                into.insert_or_assign(member.key, scalar_text(member.value));
            }
        }
    };
    return kind;
}

}  // namespace

Kind<domain::Command> command_kind() {
    Kind<domain::Command> kind{
        "a command (string or array)", "\"npm ci && npm run build\"", {}, {}};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    domain::Command& into) {
        if (value.is(Value::Kind::list)) return read_argv(reading, path, value, into);
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        if (has_zero(value.text)) return reading.error(value.place, path, "has a zero byte");
        if (value.text.find_first_not_of(" \t\r\n") == value.text.npos)
            return reading.error(value.place, path,
                                 "is empty; write a command such as " + kind.example);
        into = domain::Command{value.text, {}};
    };
    kind.write = [](const domain::Command& value) {
        if (value.empty()) return none();
        if (!value.shell.empty()) return text(value.shell);
        std::vector<Value> items;
        for (const auto& each : value.argv)
            items.push_back(text(each));
        return list(std::move(items));
    };
    return kind;
}

Kind<domain::Environment> environment_kind() {
    return text_map("a table of variables", "{ RAILS_ENV = \"production\" }", check_variable, true);
}

Kind<domain::Environment> headers_kind() {
    return text_map("a table of headers", "{ Accept = \"text/html\" }", check_header_name, false);
}

Kind<std::vector<domain::StatusRange>> statuses_kind() {
    Kind<std::vector<domain::StatusRange>> kind{"a list of statuses", "\"200-299,304\"", {}, {}};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    std::vector<domain::StatusRange>& into) {
        std::vector<domain::StatusRange> ranges;
        bool fine = true;
        if (value.is(Value::Kind::list)) {
            for (const auto& item : value.items)
                fine = read_ranges(reading, path, item, ranges) && fine;
            if (value.items.empty())
                reading.error(value.place, path, "needs at least one status, such as 200");
        } else {
            fine = read_ranges(reading, path, value, ranges);
        }
        if (fine && !ranges.empty()) into = ranges;
    };
    kind.write = [](const std::vector<domain::StatusRange>& value) {
        std::string spelled;
        for (const auto& range : value)
            spelled += (spelled.empty() ? "" : ",") +
                       (range.first == range.last ? std::to_string(range.first)
                                                  : fmt::format("{}-{}", range.first, range.last));
        return text(spelled);
    };
    return kind;
}

Kind<std::map<std::string, std::vector<std::string>>> notify_kind() {
    using Notify = std::map<std::string, std::vector<std::string>>;
    Kind<Notify> kind{"a table of events", "{ failed = [\"ops\"] }", {}, {}};
    auto channels = texts_kind("an array of channels", "[\"ops\"]", check_process_name);
    kind.read = [=](Reading& reading, const std::string& path, const Value& value, Notify& into) {
        if (!value.is(Value::Kind::table)) return kind.mismatch(reading, path, value);
        std::vector<KeyInfo> known;
        for (const auto& event : kEvents)
            known.push_back({event, "array of channels", "", "", "", {}, false});
        for (const auto& member : value.members) {
            auto where = joined(path, member.key);
            reading.note(where, member.value.place);
            if (std::find(kEvents.begin(), kEvents.end(), member.key) == kEvents.end())
                complain_unknown(reading, where, member, value.place, known);
            else
                channels.read(reading, where, member.value, into[member.key]);
        }
    };
    kind.write = [=](const Notify& value) {
        auto result = table();
        for (const auto& [event, names] : value)
            result.set(event, {}, channels.write(names));
        return result;
    };
    return kind;
}

}  // namespace belay::config
