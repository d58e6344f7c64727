// What to say of a key that isn't known where it stands.
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "config/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace belay::config {
namespace {

constexpr std::size_t kListedMax = 24;

const KeyInfo* find(const std::vector<KeyInfo>& keys, std::string_view name) {
    auto at = std::find_if(keys.begin(), keys.end(),
                           [&](const KeyInfo& info) { return info.name == name; });
    return at == keys.end() ? nullptr : &*at;
}

std::vector<std::string> names(const std::vector<KeyInfo>& keys) {
    std::vector<std::string> result;
    for (const auto& info : keys)
        result.push_back(info.name);
    return result;
}

// "build[2]" -> "[[build]]", "service.web" -> "[service.web]"
std::string head(std::string_view path) {
    auto bracket = path.find('[');
    if (bracket != path.npos && path.ends_with(']'))
        return fmt::format("[[{}]]", path.substr(0, bracket));
    return fmt::format("[{}]", path);
}

// The tables that have this key: "[health]".
std::vector<std::string> homes(const std::vector<KeyInfo>& keys, std::string_view name,
                               const std::string& path) {
    std::vector<std::string> result;
    for (const auto& info : keys) {
        auto where = joined(path, info.name);
        if (find(info.keys, name) != nullptr) result.push_back(head(where));
        auto deeper =
            info.name == "defaults" ? std::vector<std::string>{} : homes(info.keys, name, where);
        result.insert(result.end(), deeper.begin(), deeper.end());
    }
    return result;
}

std::string parent_of(const std::string& path, const std::string& key) {
    return path.size() > key.size() ? path.substr(0, path.size() - key.size() - 1) : std::string();
}

std::string listed(const std::vector<std::string>& words) {
    std::string result;
    for (const auto& word : words)
        result += (result.empty() ? "" : ", ") + word;
    return result;
}

std::string suggestion(const Reading& reading, const std::string& parent, const std::string& name,
                       const std::vector<KeyInfo>& known) {
    bool server = reading.file() == File::server;
    const auto& top = server ? server_key_infos() : app_key_infos();
    const auto& other = server ? app_key_infos() : server_key_infos();
    auto near = nearest(name, names(known));
    auto there = homes(top, name, "");
    if (!there.empty() && there.size() <= 3 && (near.empty() || edit_distance(name, near) > 1))
        return fmt::format("\"{}\" belongs in {}", name, listed(there));
    if (!near.empty()) return fmt::format("did you mean \"{}\"?", near);
    if (parent.empty() && find(other, name) != nullptr)
        return server ? fmt::format(
                            "it belongs in an app's file, apps/NAME.toml, or here below [defaults]")
                      : fmt::format("[{}] belongs in belay.toml", name);
    auto all = names(known);
    if (all.empty() || all.size() > kListedMax) return "";
    return fmt::format("{} has {}", parent.empty() ? "the file" : head(parent), listed(all));
}

}  // namespace

const KeyInfo* KeyInfo::find(std::string_view key) const {
    return config::find(keys, key);
}

bool complain_misplaced(Reading& reading, const std::string& path, const Member& member,
                        Place stands) {
    auto parent = parent_of(path, member.key);
    const auto& top = reading.file() == File::server ? server_key_infos() : app_key_infos();
    if (parent.empty() || find(top, member.key) == nullptr) return false;
    reading.error(member.key_place, path,
                  fmt::format("\"{}\" belongs to the top of the file, but stands below {}, line {}",
                              member.key, head(parent), stands.line));
    return true;
}

void complain_unknown(Reading& reading, const std::string& path, const Member& member, Place stands,
                      const std::vector<KeyInfo>& known) {
    // a snapshot may be of another version
    if (stands.source == Source::snapshot || complain_misplaced(reading, path, member, stands))
        return;
    auto hint = suggestion(reading, parent_of(path, member.key), member.key, known);
    reading.error(member.key_place, path, "unknown key" + (hint.empty() ? "" : "; " + hint));
}

void complain_no_table(Reading& reading, const std::string& path, const Value& value) {
    if (value.is_table_list())
        return reading.error(value.place, path,
                             fmt::format("is given once, as [{0}], not as [[{0}]]", path));
    reading.error(value.place, path,
                  fmt::format("wants a table, [{}], not {}", path, in_words(value)));
}

void warn_later(Reading& reading, const std::string& path, const Value& value, const Later& later) {
    if (later.sentence.empty()) return;
    auto spelled = spell(value);
    if (std::find(later.inert.begin(), later.inert.end(), spelled) != later.inert.end()) return;
    reading.warning(value.place, path, "not in effect yet: " + later.sentence);
}

}  // namespace belay::config
