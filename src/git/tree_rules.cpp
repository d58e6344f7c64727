#include "tree_rules.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

namespace belay::git {
namespace {

constexpr int kLinksFollowed = 40;  // as the kernel: path_resolution(7)

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return out;
}

// Characters that HFS+ leaves out when it compares names: git's utf8.c, next_hfs_char().
constexpr std::array<std::string_view, 16> kHfsIgnored = {
    "\u200c", "\u200d", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d",
    "\u202e", "\u206a", "\u206b", "\u206c", "\u206d", "\u206e", "\u206f", "\ufeff"};

std::string without_hfs_ignored(std::string_view name) {
    std::string out;
    while (!name.empty()) {
        auto ignored =
            std::ranges::find_if(kHfsIgnored, [&](auto mark) { return name.starts_with(mark); });
        if (ignored != kHfsIgnored.end()) {
            name.remove_prefix(ignored->size());
        } else {
            out.push_back(name.front());
            name.remove_prefix(1);
        }
    }
    return out;
}

// NTFS drops dots and spaces at the end, and takes what follows ":" for a stream of the file.
std::string_view as_ntfs(std::string_view name) {
    name = name.substr(0, name.find(':'));
    while (!name.empty() && (name.back() == '.' || name.back() == ' '))
        name.remove_suffix(1);
    return name;
}

bool is_dot_git(std::string_view name) {
    auto plain = lower(without_hfs_ignored(name));
    auto ntfs = as_ntfs(plain);
    // git~1 is the 8.3 name of .git
    return ntfs == ".git" || ntfs == "git~1";
}

void push_components(std::deque<std::string>& queue, std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        auto slash = std::min(path.find('/'), path.size());
        if (slash > 0) parts.emplace_back(path.substr(0, slash));
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    queue.insert(queue.begin(), parts.begin(), parts.end());
}

std::string joined(const std::vector<std::string>& parts) {
    std::string path;
    for (const auto& part : parts)
        path += (path.empty() ? "" : "/") + part;
    return path;
}

}  // namespace

std::optional<std::string_view> broken_name_rule(std::string_view name) {
    if (name.empty()) return "an empty name";
    if (name == "." || name == "..") return "a name that means a directory above";
    if (name.find('/') != std::string_view::npos) return "a name with a slash in it";
    if (name.find('\0') != std::string_view::npos) return "a name with a NUL byte in it";
    if (name.size() > 255) return "a name longer than 255 bytes";
    if (is_dot_git(name)) return "a name that is or looks like .git";
    return std::nullopt;
}

bool leads_outside(std::string_view link, std::string_view target,
                   const std::function<std::optional<std::string>(const std::string&)>& link_at) {
    if (target.starts_with('/')) return true;
    std::deque<std::string> ahead;
    std::vector<std::string> at;
    push_components(
        ahead, link.substr(0, link.rfind('/') == std::string_view::npos ? 0 : link.rfind('/')));
    at.assign(ahead.begin(), ahead.end());
    ahead.clear();
    push_components(ahead, target);
    // More links than that are followed by nobody.
    for (int followed = 0; !ahead.empty() && followed <= kLinksFollowed;) {
        auto part = std::move(ahead.front());
        ahead.pop_front();
        if (part == ".") continue;
        if (part == "..") {
            if (at.empty()) return true;
            at.pop_back();
            continue;
        }
        at.push_back(std::move(part));
        auto next = link_at(joined(at));
        if (!next) continue;
        if (next->starts_with('/')) return true;
        at.pop_back();
        push_components(ahead, *next);
        ++followed;
    }
    return false;
}

}  // namespace belay::git
