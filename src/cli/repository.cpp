#include "repository.hpp"

#include "whole_file.hpp"

#include <algorithm>
#include <filesystem>
#include <grp.h>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace belay::cli {
namespace {

namespace fs = std::filesystem;

bool is_git_dir(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path / "HEAD", ignored) &&
           fs::is_directory(path / "objects", ignored) && fs::is_directory(path / "refs", ignored);
}

std::string first_line(const fs::path& file) {
    auto content = read_file(file.string());
    return content ? content->substr(0, content->find('\n')) : std::string{};
}

// What a `.git` file or a `commondir` file points to.
fs::path followed(const fs::path& folder, std::string_view prefix, const fs::path& file) {
    auto line = first_line(file);
    if (!line.starts_with(prefix)) return {};
    return (folder / line.substr(prefix.size())).lexically_normal();
}

// Of a work tree: its .git directory, or for a linked work tree and a submodule where its file
// points; hooks are those of the main repository.
fs::path git_dir_of(const fs::path& tree) {
    auto dot = tree / ".git";
    std::error_code ignored;
    if (fs::is_directory(dot, ignored)) return is_git_dir(dot) ? dot : fs::path{};
    auto linked = followed(tree, "gitdir: ", dot);
    if (linked.empty()) return {};
    auto common = followed(linked, "", linked / "commondir");
    if (!common.empty() && is_git_dir(common)) return common;
    return is_git_dir(linked) ? linked : fs::path{};
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

std::string trimmed(const std::string& text) {
    auto start = text.find_first_not_of(" \t\r");
    if (start == std::string::npos) return {};
    return text.substr(start, text.find_last_not_of(" \t\r") + 1 - start);
}

std::string configured_hooks(const fs::path& git_dir) {
    auto content = read_file((git_dir / "config").string());
    if (!content) return {};
    std::istringstream lines(*content);
    std::string line, hooks;
    bool core = false;
    while (std::getline(lines, line)) {
        line = trimmed(line);
        if (line.starts_with('[')) core = lower(line) == "[core]";
        auto equals = line.find('=');
        if (!core || equals == std::string::npos ||
            lower(trimmed(line.substr(0, equals))) != "hookspath")
            continue;
        hooks = trimmed(line.substr(equals + 1));
        if (hooks.size() > 1 && hooks.front() == '"' && hooks.back() == '"')
            hooks = hooks.substr(1, hooks.size() - 2);
    }
    return hooks;
}

std::vector<gid_t> groups_of(uid_t user, gid_t& primary) {
    const auto* entry = ::getpwuid(user);
    if (!entry) return {};
    primary = entry->pw_gid;
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(entry->pw_name, primary, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        ::getgrouplist(entry->pw_name, primary, groups.data(), &count);
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

}  // namespace

Result<LocalRepository> find_repository(const std::string& path) {
    std::error_code failure;
    auto whole = fs::canonical(path, failure);
    if (failure) return errno_error(failure.value(), path);
    LocalRepository found;
    found.path = whole.string();
    found.bare = is_git_dir(whole);
    auto git_dir = found.bare ? whole : git_dir_of(whole);
    if (git_dir.empty())
        return Error{
            Errc::not_found,
            path + " is no git repository: it has neither HEAD, objects and refs, nor a .git"};
    found.git_dir = git_dir.string();
    auto hooks = configured_hooks(git_dir);
    // Relative to where git runs the hook (githooks(5)).
    found.hooks = (hooks.empty() ? git_dir / "hooks" : whole / hooks).lexically_normal().string();
    struct stat facts{};
    if (::stat(found.git_dir.c_str(), &facts) != 0) return errno_error(errno, found.git_dir);
    found.owner = facts.st_uid;
    found.group = facts.st_gid;
    return found;
}

bool may_read(uid_t user, const std::string& file) {
    if (user == ::geteuid()) return ::access(file.c_str(), R_OK) == 0;
    if (user == 0) return true;
    gid_t primary = static_cast<gid_t>(-1);
    auto groups = groups_of(user, primary);
    auto allowed = [&](const fs::path& path, unsigned bit) {
        struct stat facts{};
        if (::stat(path.c_str(), &facts) != 0) return false;
        if (facts.st_uid == user) return (facts.st_mode & (bit << 6)) != 0;
        if (std::find(groups.begin(), groups.end(), facts.st_gid) != groups.end())
            return (facts.st_mode & (bit << 3)) != 0;
        return (facts.st_mode & bit) != 0;
    };
    for (auto folder = fs::path(file).parent_path(); !folder.empty();
         folder = folder.parent_path()) {
        if (!allowed(folder, 1)) return false;
        if (folder == folder.root_path()) break;
    }
    return allowed(file, 4);
}

std::string user_name(uid_t user) {
    const auto* entry = ::getpwuid(user);
    return entry ? entry->pw_name : std::to_string(user);
}

}  // namespace belay::cli
