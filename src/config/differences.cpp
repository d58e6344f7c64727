#include "config/channels.hpp"
#include "config/reading.hpp"
#include "config/snapshot.hpp"
#include "config/tables.hpp"

#include <belay/config/differences.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace belay::config {
namespace {

using Paths = std::vector<std::string>;

void compare(const Value& before, const Value& after, const std::string& path, Paths& into);

void compare_tables(const Value& before, const Value& after, const std::string& path, Paths& into) {
    std::set<std::string> keys;
    for (const auto& member : before.members)
        keys.insert(member.key);
    for (const auto& member : after.members)
        keys.insert(member.key);
    for (const auto& key : keys) {
        const auto* left = before.get(key);
        const auto* right = after.get(key);
        if (left == nullptr || right == nullptr)
            into.push_back(joined(path, key));
        else
            compare(*left, *right, joined(path, key), into);
    }
}

// A reference to a secret is one value: "secrets.TOKEN" differs, not "secrets.TOKEN.file".
bool is_secret(const Value& value) {
    if (value.members.size() != 1 || !value.members[0].value.is(Value::Kind::text)) return false;
    const auto& key = value.members[0].key;
    return key == "file" || key == "credential" || key == "inline" || key == "env";
}

void compare(const Value& before, const Value& after, const std::string& path, Paths& into) {
    bool tables = before.is(Value::Kind::table) && after.is(Value::Kind::table);
    if (tables && !is_secret(before) && !is_secret(after))
        return compare_tables(before, after, path, into);
    bool steps = before.is_table_list() && after.is_table_list() &&
                 before.items.size() == after.items.size();
    if (steps && path != "webhook.secret") {
        for (std::size_t i = 0; i < before.items.size(); ++i)
            compare(before.items[i], after.items[i],
                    before.items.size() == 1 ? path : fmt::format("{}[{}]", path, i + 1), into);
        return;
    }
    if (!same(before, after)) into.push_back(path);
}

// Trees show inline secrets as references, so equal ones may hide different values.
void compare_inline(const domain::AppConfig& before, const domain::AppConfig& after, Paths& into) {
    for (const auto& [name, secret] : before.secrets)
        if (auto at = after.secrets.find(name);
            at != after.secrets.end() && !(at->second == secret))
            into.push_back("secrets." + name);
    if (before.webhook.secrets != after.webhook.secrets) into.emplace_back("webhook.secret");
    if (before.credentials.token != after.credentials.token) into.emplace_back("credentials.token");
    if (before.credentials.key != after.credentials.key) into.emplace_back("credentials.key");
    if (before.status_token != after.status_token) into.emplace_back("status.token");
}

Paths sorted(Paths paths) {
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return paths;
}

}  // namespace

std::vector<std::string> differences(const domain::AppConfig& before,
                                     const domain::AppConfig& after) {
    Paths paths;
    compare(tree_of(before), tree_of(after), "", paths);
    compare_inline(before, after, paths);
    return sorted(std::move(paths));
}

std::vector<std::string> differences(const domain::ServerConfig& before,
                                     const domain::ServerConfig& after) {
    Paths paths;
    compare(write_table(before, server_keys()), write_table(after, server_keys()), "", paths);
    for (const auto& channel : before.channels)
        for (const auto& other : after.channels)
            if (channel.name == other.name)
                for (const auto& [key, secret] : channel_secrets(channel))
                    for (const auto& [other_key, other_secret] : channel_secrets(other))
                        if (key == other_key && *secret != *other_secret)
                            paths.push_back(fmt::format("notify.{}.{}", channel.name, key));
    return sorted(std::move(paths));
}

}  // namespace belay::config
