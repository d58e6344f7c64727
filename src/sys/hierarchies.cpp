#include "hierarchies.hpp"

#include <belay/sys/files.hpp>

#include <algorithm>
#include <optional>

namespace belay::sys {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t at = 0; at <= text.size();) {
        auto end = std::min(text.find(separator, at), text.size());
        if (end > at) parts.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

// "\040" is a space [proc(5)].
std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\' || at + 3 >= text.size()) {
            result += text[at];
            continue;
        }
        int code = 0;
        for (int digit = 1; digit <= 3; ++digit)
            code = code * 8 + (text[at + static_cast<std::size_t>(digit)] - '0');
        result += static_cast<char>(code);
        at += 3;
    }
    return result;
}

struct Membership {
    std::vector<std::string_view> controllers;  // none: version 2
    std::string_view path;
};

// "4:memory:/a/b", "0::/"; paths may hold colons.
std::vector<Membership> memberships(std::string_view cgroup) {
    std::vector<Membership> all;
    for (auto line : split(cgroup, '\n')) {
        auto first = line.find(':');
        auto second = first == line.npos ? first : line.find(':', first + 1);
        if (second == line.npos) continue;
        all.push_back(
            {split(line.substr(first + 1, second - first - 1), ','), line.substr(second + 1)});
    }
    return all;
}

// What is mounted may be a part of the hierarchy. None: we are outside of it.
std::optional<std::string> below(std::string_view root, std::string_view path) {
    if (root == "/") return path == "/" ? std::string() : std::string(path);
    if (path == root) return std::string();
    if (path.starts_with(root) && path[root.size()] == '/')
        return std::string(path.substr(root.size()));
    return std::nullopt;
}

void add(std::vector<Hierarchy>& all, std::string_view line,
         const std::vector<Membership>& memberships) {
    auto words = split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 5 || words.end() - dash < 4) return;
    const bool unified = dash[1] == "cgroup2";
    if (!unified && dash[1] != "cgroup") return;
    auto options = split(dash[3], ',');
    for (const auto& membership : memberships) {
        const bool ours =
            unified ? membership.controllers.empty()
                    : !membership.controllers.empty() &&
                          std::all_of(membership.controllers.begin(), membership.controllers.end(),
                                      [&](std::string_view name) {
                                          return std::find(options.begin(), options.end(), name) !=
                                                 options.end();
                                      });
        if (!ours || (!unified && membership.controllers.front().starts_with("name="))) continue;
        auto own = below(unescaped(words[3]), membership.path);
        Hierarchy made;
        made.unified = unified;
        made.controllers.assign(membership.controllers.begin(), membership.controllers.end());
        made.mount = unescaped(words[4]);
        const bool known = std::any_of(all.begin(), all.end(), [&](const Hierarchy& other) {
            return other.unified == unified && other.controllers == made.controllers;
        });
        if (!own || known) return;
        made.own = *own;
        all.push_back(std::move(made));
        return;
    }
}

}  // namespace

bool Hierarchy::has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<Hierarchy> parse_hierarchies(std::string_view mountinfo, std::string_view cgroup) {
    auto ours = memberships(cgroup);
    std::vector<Hierarchy> all;
    for (auto line : split(mountinfo, '\n'))
        add(all, line, ours);
    return all;
}

std::vector<Hierarchy> hierarchies() {
    auto mountinfo = read_file("/proc/self/mountinfo");
    auto cgroup = read_file("/proc/self/cgroup");
    if (!mountinfo || !cgroup) return {};
    return parse_hierarchies(*mountinfo, *cgroup);
}

}  // namespace belay::sys
