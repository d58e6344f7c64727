#include "secrets_file.hpp"

#include <algorithm>

namespace belay::cli {
namespace {

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name_char(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

// One assignment or one line of anything else; a quoted value may span lines.
struct Entry {
    std::string_view text;  // with its line feed
    std::string_view name;  // empty: a comment or blank line
};

// The end of a value that starts at `at`: after its line feed.
std::size_t end_of_value(std::string_view content, std::size_t at) {
    char quote = at < content.size() ? content[at] : '\0';
    if (quote == '"' || quote == '\'') {
        for (++at; at < content.size() && content[at] != quote; ++at)
            if (quote == '"' && content[at] == '\\') ++at;
    }
    auto end = at < content.size() ? content.find('\n', at) : std::string_view::npos;
    return end == std::string_view::npos ? content.size() : end + 1;
}

Entry entry_at(std::string_view content, std::size_t at) {
    auto start = at;
    auto skip_blanks = [&] {
        while (at < content.size() && (content[at] == ' ' || content[at] == '\t'))
            ++at;
    };
    skip_blanks();
    if (content.substr(at).starts_with("export ")) at += 7;
    skip_blanks();
    auto name_start = at;
    while (at < content.size() && is_name_char(content[at]))
        ++at;
    auto name = content.substr(name_start, at - name_start);
    skip_blanks();
    if (at >= content.size() || content[at] != '=' || !is_variable_name(name)) {
        auto end = content.find('\n', start);
        return {content.substr(start, end == std::string_view::npos ? end : end + 1 - start), {}};
    }
    ++at;
    skip_blanks();
    return {content.substr(start, end_of_value(content, at) - start), name};
}

std::vector<Entry> entries_of(std::string_view content) {
    std::vector<Entry> entries;
    for (std::size_t at = 0; at < content.size(); at += entries.back().text.size())
        entries.push_back(entry_at(content, at));
    return entries;
}

// Plain where no reader could mistake it, else in single quotes, or in double quotes with \\ \" \$
// \n and \r escaped: what belay/config/env_file.hpp reads back as it was.
std::string encoded(std::string_view value) {
    auto plain = [](char c) {
        return is_name_char(c) || std::string_view("./:@%+,=-").find(c) != std::string_view::npos;
    };
    if (std::all_of(value.begin(), value.end(), plain)) return std::string(value);
    if (value.find('\'') == std::string_view::npos && value.find('\n') == std::string_view::npos &&
        value.find('\r') == std::string_view::npos)
        return "'" + std::string(value) + "'";
    std::string text = "\"";
    for (char c : value) {
        if (c == '\n')
            text += "\\n";
        else if (c == '\r')
            text += "\\r";
        else {
            if (c == '"' || c == '\\' || c == '$') text += '\\';
            text += c;
        }
    }
    return text + "\"";
}

}  // namespace

bool is_variable_name(std::string_view name) {
    return !name.empty() && is_name_start(name[0]) &&
           std::all_of(name.begin(), name.end(), is_name_char);
}

std::vector<std::string> secret_names(std::string_view content) {
    std::vector<std::string> names;
    for (const auto& entry : entries_of(content))
        if (!entry.name.empty() && std::find(names.begin(), names.end(), entry.name) == names.end())
            names.emplace_back(entry.name);
    return names;
}

Result<std::string> with_secret(std::string_view content, std::string_view name,
                                const Secret& value) {
    if (value.reveal().find('\0') != std::string::npos)
        return Error{Errc::invalid,
                     "the value has a zero byte, which no environment variable can hold"};
    auto line = std::string(name) + "=" + encoded(value.reveal()) + "\n";
    std::string changed;
    bool placed = false;
    for (const auto& entry : entries_of(content)) {
        if (entry.name != name) {
            changed += entry.text;
        } else if (!placed) {
            changed += line;
            placed = true;
        }
    }
    if (placed) return changed;
    if (!changed.empty() && !changed.ends_with('\n')) changed += '\n';
    return changed + line;
}

Result<std::string> without_secret(std::string_view content, std::string_view name) {
    std::string changed;
    for (const auto& entry : entries_of(content))
        if (entry.name != name) changed += entry.text;
    if (changed.size() == content.size())
        return Error{Errc::not_found, "there is no secret " + std::string(name)};
    return changed;
}

}  // namespace belay::cli
