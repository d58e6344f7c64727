#include "config/reference.hpp"

#include <fmt/format.h>

namespace belay::config {
namespace {

// A | would end the cell.
std::string cell(std::string content) {
    for (std::size_t at = 0; (at = content.find('|', at)) != content.npos; at += 2)
        content.insert(at, "\\");
    return content;
}

std::string later_note(const KeyInfo& key) {
    return key.later.empty() ? "" : fmt::format(" — *not in effect yet: {}*", key.later);
}

std::string row(const KeyInfo& key) {
    bool none = key.default_value.empty() || key.default_value == "\"\"";
    auto value = none ? std::string("—") : fmt::format("`{}`", key.default_value);
    return fmt::format("| `{}` | {} | {} | {} |\n", key.name, cell(key.type), cell(value),
                       cell(key.about + later_note(key)));
}

void add_section(const std::string& path, const std::string& about,
                 const std::vector<KeyInfo>& keys, std::string& text) {
    std::string rows;
    for (const auto& key : keys)
        if (key.keys.empty()) rows += row(key);
    if (!path.empty()) text += fmt::format("### `[{}]`: {}\n\n", path, about);
    if (!rows.empty())
        text += "| key | type | default | meaning |\n| --- | --- | --- | --- |\n" + rows + "\n";
    for (const auto& key : keys) {
        if (key.name == "defaults" && path.empty()) continue;  // an app's keys
        if (!key.keys.empty())
            add_section(joined(path, key.name), key.about + later_note(key), key.keys, text);
    }
}

void add_paths(const std::string& path, const std::vector<KeyInfo>& keys,
               std::vector<std::string>& paths) {
    for (const auto& key : keys) {
        auto where = joined(path, key.name);
        paths.push_back(where);
        if (key.name != "defaults") add_paths(where, key.keys, paths);
    }
}

}  // namespace

std::string key_reference(const std::vector<KeyInfo>& keys) {
    std::string text;
    add_section("", "", keys, text);
    while (text.ends_with("\n\n"))
        text.pop_back();
    return text;
}

std::vector<std::string> key_paths(const std::vector<KeyInfo>& keys) {
    std::vector<std::string> paths;
    add_paths("", keys, paths);
    return paths;
}

}  // namespace belay::config
