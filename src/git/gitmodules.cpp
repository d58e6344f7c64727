#include "gitmodules.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <optional>

namespace belay::git {
namespace {

std::string_view trimmed(std::string_view text) {
    auto start = std::min(text.find_first_not_of(" \t\r"), text.size());
    text.remove_prefix(start);
    auto end = text.find_last_not_of(" \t\r");
    return text.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

// A value up to a comment, without its quotes and escapes: git-config(1) "Syntax".
std::string unquoted(std::string_view value) {
    std::string out;
    bool quoted = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        char c = value[i];
        if (c == '"') {
            quoted = !quoted;
        } else if (c == '\\' && i + 1 < value.size()) {
            out.push_back(value[++i]);
        } else if (!quoted && (c == '#' || c == ';')) {
            break;
        } else {
            out.push_back(c);
        }
    }
    return quoted ? out : std::string(trimmed(out));
}

std::string without_last_part(std::string path) {
    while (path.ends_with('/'))
        path.pop_back();
    auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

struct Section {
    std::string path;
    std::string url;
};

void keep(const std::optional<Section>& section, std::map<std::string, std::string>& found) {
    if (section && !section->path.empty() && !section->url.empty())
        found[section->path] = section->url;
}

}  // namespace

std::map<std::string, std::string> parse_gitmodules(std::string_view text) {
    std::map<std::string, std::string> found;
    std::optional<Section> section;
    while (!text.empty()) {
        auto end = std::min(text.find('\n'), text.size());
        auto line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        if (line.front() == '[') {
            keep(section, found);
            section.reset();
            if (line.starts_with("[submodule ")) section.emplace();
            continue;
        }
        auto equals = line.find('=');
        if (!section || equals == std::string_view::npos) continue;
        auto key = trimmed(line.substr(0, equals));
        auto value = unquoted(trimmed(line.substr(equals + 1)));
        if (key == "path") {
            while (value.ends_with('/'))
                value.pop_back();
            section->path = value;
        }
        if (key == "url") section->url = value;
    }
    keep(section, found);
    return found;
}

Result<RepositoryUrl> resolve_submodule_url(const RepositoryUrl& parent, std::string_view url) {
    if (!url.starts_with("./") && !url.starts_with("../")) return parse_repository_url(url);
    auto resolved = parent;
    while (true) {
        if (url.starts_with("./")) {
            url.remove_prefix(2);
        } else if (url.starts_with("../")) {
            url.remove_prefix(3);
            resolved.path = without_last_part(resolved.path);
        } else {
            break;
        }
    }
    // Not an address either: refused by the grammar.
    if (url.empty() || url == "." || url == "..") return parse_repository_url(url);
    bool absolute = parent.path.starts_with('/');
    resolved.path = resolved.path.empty() ? fmt::format("{}{}", absolute ? "/" : "", url)
                                          : fmt::format("{}/{}", resolved.path, url);
    // By the grammar again: the pieces may make something else together.
    return parse_repository_url(resolved.text());
}

std::string submodule_mirror_name(const RepositoryUrl& url) {
    auto text = url.text();
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    std::string name = "belay-module-";
    for (std::size_t i = 0; i < 16; ++i)
        name += fmt::format("{:02x}", digest[i]);
    return name + ".git";
}

}  // namespace belay::git
