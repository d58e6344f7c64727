#include "config/kinds.hpp"

#include "config/nearest.hpp"

#include <fmt/format.h>

#include <charconv>

namespace belay::config {
namespace {

std::string quoted_list(const std::vector<std::string>& words) {
    std::string result;
    for (std::size_t i = 0; i < words.size(); ++i)
        result += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + ("\"" + words[i] + "\"");
    return result;
}

void complain_choice(Reading& reading, const std::string& path, const Value& value,
                     const std::vector<std::string>& words) {
    auto meant = nearest(value.text, words);
    auto hint = meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant);
    reading.error(value.place, path,
                  fmt::format("must be {}, not \"{}\"{}", quoted_list(words), value.text, hint));
}

// A percentage as a number: "5%" is 5.
std::optional<double> parse_percent(std::string_view content) {
    double number = 0;
    auto [end, failure] = std::from_chars(content.data(), content.data() + content.size(), number,
                                          std::chars_format::fixed);
    if (failure != std::errc{} ||
        std::string_view(end, static_cast<std::size_t>(content.data() + content.size() - end)) !=
            "%")
        return std::nullopt;
    if (!(number > 0 && number <= 100)) return std::nullopt;
    return number;
}

std::string spell_percent(double number) {
    return fmt::format("{:.10g}%", number);
}

template <class T>
Value texts(const std::vector<T>& values) {
    std::vector<Value> items;
    for (const auto& each : values)
        items.push_back(text(each));
    return list(std::move(items));
}

}  // namespace

Kind<std::string> text_kind(std::string words, std::string example, Check check) {
    Kind<std::string> kind{std::move(words), std::move(example), {}, [](const std::string& value) {
                               return text(value);
                           }};
    kind.read = [kind, check](Reading& reading, const std::string& path, const Value& value,
                              std::string& into) {
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        auto checked = check(value.text);
        if (!checked) return reading.error(value.place, path, checked.error().message);
        into = *checked;
    };
    return kind;
}

Kind<std::string> choice(std::vector<std::string> words) {
    Kind<std::string> kind{"one of " + quoted_list(words),
                           "\"" + words.front() + "\"",
                           {},
                           [](const std::string& value) { return text(value); }};
    kind.words = "a word: " + quoted_list(words);
    kind.read = [words](Reading& reading, const std::string& path, const Value& value,
                        std::string& into) {
        if (!value.is(Value::Kind::text))
            return reading.error(
                value.place, path,
                fmt::format("must be {}, not {}", quoted_list(words), in_words(value)));
        if (std::find(words.begin(), words.end(), value.text) == words.end())
            return complain_choice(reading, path, value, words);
        into = value.text;
    };
    return kind;
}

Kind<bool> boolean_kind() {
    Kind<bool> kind{"a boolean", "true", {}, [](bool value) { return boolean(value); }};
    kind.read = [kind](Reading& reading, const std::string& path, const Value& value, bool& into) {
        if (value.is(Value::Kind::text) && (value.text == "true" || value.text == "false"))
            return reading.error(value.place, path,
                                 fmt::format("is a boolean: write {}, without quotes", value.text));
        if (!value.is(Value::Kind::boolean)) return kind.mismatch(reading, path, value);
        into = value.boolean;
    };
    return kind;
}

Kind<bool> either(std::string when_true, std::string when_false) {
    auto words = choice({when_true, when_false});
    Kind<bool> kind{words.words, words.example, {}, {}};
    kind.read = [words, when_true](Reading& reading, const std::string& path, const Value& value,
                                   bool& into) {
        std::string word;
        words.read(reading, path, value, word);
        if (!word.empty()) into = word == when_true;
    };
    kind.write = [=](bool value) { return text(value ? when_true : when_false); };
    return kind;
}

Kind<std::string> submodules_kind() {
    Kind<std::string> kind{"a word or boolean: \"auto\", true or false", "\"auto\"", {}, {}};
    kind.read = [](Reading& reading, const std::string& path, const Value& value,
                   std::string& into) {
        if (value.is(Value::Kind::boolean))
            into = value.boolean ? "true" : "false";
        else if (value.is(Value::Kind::text) && value.text == "auto")
            into = value.text;
        else
            reading.error(
                value.place, path,
                "must be \"auto\", true or false" + (value.is(Value::Kind::text)
                                                         ? std::string(" (booleans without quotes)")
                                                         : ", not " + in_words(value)));
    };
    kind.write = [](const std::string& value) {
        return value == "auto" ? text(value) : boolean(value == "true");
    };
    return kind;
}

Kind<int> whole_number(int least, int most) {
    Kind<int> kind{"a whole number", std::to_string(std::max(least, 1)), {}, [](int value) {
                       return integer(value);
                   }};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value, int& into) {
        if (!value.is(Value::Kind::integer)) return kind.mismatch(reading, path, value);
        if (value.integer < least || value.integer > most)
            return reading.error(
                value.place, path,
                fmt::format("must be {} to {}, not {}", least, most, value.integer));
        into = static_cast<int>(value.integer);
    };
    return kind;
}

Kind<double> number_kind(double least) {
    Kind<double> kind{"a number", "1.5", {}, [](double value) { return real(value); }};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value, double& into) {
        if (!value.is(Value::Kind::integer) && !value.is(Value::Kind::real))
            return kind.mismatch(reading, path, value);
        auto number = value.is(Value::Kind::real) ? value.real : static_cast<double>(value.integer);
        if (!(number >= least && number < 1e9))
            return reading.error(value.place, path,
                                 fmt::format("must be at least {}, not {}", least, spell(value)));
        into = number;
    };
    return kind;
}

Kind<double> ratio_kind() {
    Kind<double> kind{"a percentage", "\"5%\"", {}, [](double value) {
                          return text(spell_percent(value * 100));
                      }};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value, double& into) {
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        auto percent = parse_percent(value.text);
        if (!percent)
            return reading.error(
                value.place, path,
                fmt::format("\"{}\" is no percentage above 0 and up to 100; write \"5%\"",
                            value.text));
        into = *percent / 100;
    };
    return kind;
}

Kind<std::vector<double>> percents_kind() {
    Kind<std::vector<double>> kind{"an array of percentages", "[\"5%\", \"25%\"]", {}, {}};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    std::vector<double>& into) {
        if (!value.is(Value::Kind::list)) return kind.mismatch(reading, path, value);
        std::vector<double> steps;
        for (const auto& item : value.items) {
            auto percent = item.is(Value::Kind::text) ? parse_percent(item.text) : std::nullopt;
            if (!percent || *percent >= 100)
                return reading.error(item.place, path,
                                     "each step is a percentage between 0 and 100, such as \"5%\"");
            if (!steps.empty() && *percent <= steps.back())
                return reading.error(item.place, path,
                                     "each step must be larger than the one before");
            steps.push_back(*percent);
        }
        if (steps.empty())
            return reading.error(value.place, path, "needs at least one step, such as \"5%\"");
        into = steps;
    };
    kind.write = [](const std::vector<double>& value) {
        std::vector<std::string> spelled;
        for (auto each : value)
            spelled.push_back(spell_percent(each));
        return texts(spelled);
    };
    return kind;
}

Kind<Millis> duration_kind(Millis least, std::string example) {
    Kind<Millis> kind{"a duration", std::move(example), {}, [](Millis value) {
                          return text(format_duration(value));
                      }};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value, Millis& into) {
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        auto duration = parse_duration(value.text);
        if (!duration) return reading.error(value.place, path, duration.error().message);
        if (*duration < least)
            return reading.error(value.place, path,
                                 fmt::format("must be at least \"{}\", not \"{}\"",
                                             format_duration(least), value.text));
        into = *duration;
    };
    return kind;
}

Kind<std::optional<Millis>> duration_or_off() {
    // often enough to be a safety net, seldom enough not to be a load on somebody's server
    auto duration = duration_kind(Millis{1'000}, "\"5m\"");
    Kind<std::optional<Millis>> kind{"a duration or \"off\"", duration.example, {}, {}};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    std::optional<Millis>& into) {
        if (value.is(Value::Kind::text) && value.text == "off") {
            into.reset();
            return;
        }
        if (value.is(Value::Kind::boolean) && !value.boolean)
            return reading.error(value.place, path, "is switched off by \"off\", not by false");
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        auto content = into.value_or(Millis{0});
        duration.read(reading, path, value, content);
        into = content;
    };
    kind.write = [=](const std::optional<Millis>& value) {
        return value ? duration.write(*value) : text("off");
    };
    return kind;
}

Kind<std::uint64_t> size_kind(std::uint64_t least) {
    Kind<std::uint64_t> kind{"a size", "\"512MiB\"", {}, {}};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    std::uint64_t& into) {
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        auto size = parse_size(value.text);
        if (!size) return reading.error(value.place, path, size.error().message);
        if (*size < least)
            return reading.error(
                value.place, path,
                fmt::format("must be at least \"{}\", not \"{}\"", format_size(least), value.text));
        into = *size;
    };
    kind.write = [](std::uint64_t value) {
        auto short_form = format_size(value);
        return text(parse_size(short_form).value() == value ? short_form
                                                            : std::to_string(value) + "B");
    };
    return kind;
}

Kind<domain::PortRange> range_kind(int least, int most) {
    Kind<domain::PortRange> kind{"a range", "\"20000-29999\"", {}, {}};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    domain::PortRange& into) {
        if (!value.is(Value::Kind::text)) return kind.mismatch(reading, path, value);
        domain::PortRange range;
        const auto* begin = value.text.data();
        const auto* end = begin + value.text.size();
        auto first = std::from_chars(begin, end, range.first);
        auto dash = first.ec == std::errc{} && first.ptr != end && *first.ptr == '-';
        auto last = dash ? std::from_chars(first.ptr + 1, end, range.last) : first;
        if (!dash || last.ec != std::errc{} || last.ptr != end)
            return reading.error(
                value.place, path,
                fmt::format("\"{}\" is no range; write \"20000-29999\"", value.text));
        if (range.first < least || range.last > most || range.first > range.last)
            return reading.error(
                value.place, path,
                fmt::format("must lie within {}-{}, the smaller number first, not \"{}\"", least,
                            most, value.text));
        into = range;
    };
    kind.write = [](const domain::PortRange& value) {
        return text(fmt::format("{}-{}", value.first, value.last));
    };
    return kind;
}

Kind<std::vector<std::string>> texts_kind(std::string words, std::string example, Check check) {
    Kind<std::vector<std::string>> kind{
        std::move(words), std::move(example), {}, [](const std::vector<std::string>& value) {
            return texts(value);
        }};
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    std::vector<std::string>& into) {
        if (!value.is(Value::Kind::list)) return kind.mismatch(reading, path, value);
        std::vector<std::string> content;
        bool fine = true;
        for (const auto& item : value.items) {
            auto checked = item.is(Value::Kind::text)
                               ? check(item.text)
                               : Result<std::string>(
                                     Error{Errc::invalid, "wants strings such as " + kind.example +
                                                              ", not " + in_words(item)});
            fine = fine && checked.has_value();
            if (!checked)
                reading.error(item.place, path, checked.error().message);
            else if (std::find(content.begin(), content.end(), *checked) == content.end())
                content.push_back(*checked);
        }
        if (fine) into = content;
    };
    return kind;
}

Kind<std::vector<std::string>> choices_kind(std::string example, std::vector<std::string> words) {
    Kind<std::vector<std::string>> kind{
        "an array of words: " + quoted_list(words),
        std::move(example),
        {},
        [](const std::vector<std::string>& value) { return texts(value); }};
    auto one = choice(words);
    kind.read = [=](Reading& reading, const std::string& path, const Value& value,
                    std::vector<std::string>& into) {
        if (!value.is(Value::Kind::list)) return kind.mismatch(reading, path, value);
        std::vector<std::string> content;
        for (const auto& item : value.items) {
            std::string word;
            one.read(reading, path, item, word);
            if (!word.empty()) content.push_back(word);
        }
        into = content;
    };
    return kind;
}

}  // namespace belay::config
