#include "environment_file.hpp"

namespace belay::release {

Result<std::string> encode_environment(const Variables& variables) {
    std::string content;
    for (const auto& [name, value] : variables) {
        if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != name.npos)
            return Error{Errc::invalid, "\"" + name + "\" can't be the name of a variable"};
        if (value.find('\0') != value.npos)
            return Error{Errc::invalid, "the value of " + name +
                                            " holds a NUL byte, which no environment can carry"};
        content += name;
        content += '=';
        content += value;
        content += '\0';
    }
    return content;
}

Result<Variables> decode_environment(std::string_view content) {
    Variables variables;
    while (!content.empty()) {
        auto end = content.find('\0');
        auto equals = content.find('=');
        if (end == content.npos || equals == 0 || equals > end)
            return Error{Errc::invalid, "it is damaged"};
        variables.emplace_back(content.substr(0, equals),
                               content.substr(equals + 1, end - equals - 1));
        content.remove_prefix(end + 1);
    }
    return variables;
}

}  // namespace belay::release
