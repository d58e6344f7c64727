// The kinds of value that keys take.
#pragma once

#include "config/keys.hpp"

#include <belay/base/time.hpp>
#include <belay/domain/config.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::config {

// A grammar of grammar.hpp.
using Check = Result<std::string> (*)(std::string_view);

Kind<std::string> text_kind(std::string words, std::string example, Check check);
Kind<std::string> choice(std::vector<std::string> words);
Kind<bool> boolean_kind();
// A boolean that is written as one of two words.
Kind<bool> either(std::string when_true, std::string when_false);
Kind<std::string> submodules_kind();  // "auto", true, false
Kind<int> whole_number(int least, int most);
Kind<double> number_kind(double least);
Kind<double> ratio_kind();                  // "5%" is 0.05
Kind<std::vector<double>> percents_kind();  // ["5%", "25%"] is 5, 25
Kind<Millis> duration_kind(Millis least, std::string example = "\"30s\"");
Kind<std::optional<Millis>> duration_or_off();
Kind<std::uint64_t> size_kind(std::uint64_t least = 0);
Kind<domain::PortRange> range_kind(int least, int most);  // "20000-29999"
Kind<domain::Command> command_kind();
Kind<domain::Environment> environment_kind();
Kind<domain::Environment> headers_kind();
Kind<std::vector<domain::StatusRange>> statuses_kind();  // "200-299,304"

// `{ file = "..." }`, `{ env = "..." }`, `{ credential = "..." }` or the value itself.
Kind<std::optional<domain::SecretRef>> secret_kind();
Kind<std::vector<domain::SecretRef>> secrets_kind();  // one, or several while rotating
Kind<std::map<std::string, domain::SecretRef>> secret_table_kind();

// Events and the channels that are told of them.
Kind<std::map<std::string, std::vector<std::string>>> notify_kind();

Kind<std::vector<std::string>> texts_kind(std::string words, std::string example, Check check);
Kind<std::vector<std::string>> choices_kind(std::string example, std::vector<std::string> words);

// The same, where none is a value of its own and left out when written.
template <class T>
Kind<std::optional<T>> optional(Kind<T> kind) {
    Kind<std::optional<T>> made{kind.words, kind.example, {}, {}};
    made.read = [kind](Reading& reading, const std::string& path, const Value& value,
                       std::optional<T>& into) {
        auto content = into.value_or(T{});
        kind.read(reading, path, value, content);
        into = content;
    };
    made.write = [kind](const std::optional<T>& value) {
        return value ? kind.write(*value) : none();
    };
    return made;
}

}  // namespace belay::config
