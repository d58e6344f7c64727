// Addresses of repositories, and what is followed in them.
#include "config/grammar.hpp"

#include <belay/domain/push.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace belay::config {
namespace {

constexpr std::array<std::string_view, 5> kSchemes{"https", "http", "ssh", "git", "file"};

constexpr std::string_view kPasswordInside =
    "has a password or token in it, which would end up in logs: write the address without it, and "
    "[credentials] token = { "
    "file = \"...\" }";

Error wrong(std::string message) {
    return Error{Errc::invalid, std::move(message)};
}

bool is_blank_or_control(char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
}

// Host and port of "host[:port]" or "[v6]:port".
Result<std::string> check_authority(std::string_view text) {
    auto host = text;
    std::string_view port;
    if (text.starts_with('[')) {
        auto end = text.find(']');
        if (end == text.npos) return wrong("the ] behind the address is missing");
        host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (!port.empty() && port[0] != ':') return wrong("behind ] belongs :PORT or the path");
        if (!port.empty()) port.remove_prefix(1);
    } else if (auto colon = text.find(':'); colon != text.npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        int number = 0;
        auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
        if (failure != std::errc{} || end != port.data() + port.size() || number < 1 ||
            number > 65'535)
            return wrong(  // not shown: it may be a password
                "behind the host's \":\" belongs a port; an address like git@host:path has no "
                "scheme before it");
    }
    if (host.empty()) return wrong("the host is missing");
    if (host.starts_with('-')) return wrong("a host can't begin with \"-\"");
    bool fine = std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_' || c == ':';
    });
    if (!fine) return wrong("the host has characters that no host name has");
    return std::string(host);
}

// "user@" or "user:password@" before the host.
Result<std::string_view> without_user(std::string_view authority, std::string_view scheme) {
    auto at = authority.rfind('@');
    if (at == authority.npos) return authority;
    auto user = authority.substr(0, at);
    if (user.find(':') != user.npos) return wrong(std::string(kPasswordInside));
    if (scheme == "https" || scheme == "http")
        return wrong(  // not shown: it may be a token
            "has a user in it: write the address without it, and [credentials] username, token = { "
            "file = \"...\" }");
    if (scheme == "git") return wrong("git:// knows no users: write the address without one");
    if (user.empty() || user.starts_with('-'))
        return wrong("a user can't be empty or begin with \"-\"");
    return authority.substr(at + 1);
}

Result<RepoAddress> parse_file(std::string_view path) {
    if (!path.starts_with('/')) return wrong("a path must be absolute: \"/srv/git/shop.git\"");
    return RepoAddress{"file", "", std::string(path)};
}

Result<RepoAddress> parse_with_scheme(std::string_view scheme, std::string_view rest) {
    if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end())
        return wrong(fmt::format("\"{}://\" is none of https, ssh, git, http and file", scheme));
    if (scheme == "file") return parse_file(rest);
    auto slash = rest.find('/');
    auto authority = without_user(rest.substr(0, slash), scheme);
    if (!authority) return authority.error();
    auto host = check_authority(*authority);
    if (!host) return host.error();
    if (slash == rest.npos || slash + 1 == rest.size())
        return wrong("names a host, but no repository on it");
    auto path = rest.substr(slash);
    if (path.find('#') != path.npos)
        return wrong("a \"#...\" means nothing here; the branch has a key of its own");
    return RepoAddress{std::string(scheme), *host, std::string(path)};
}

Result<RepoAddress> parse_scp_like(std::string_view text) {
    auto colon = text.find(':');
    if (text.substr(colon).starts_with("::"))
        return wrong("transports like \"ext::\" are not used");
    auto host = without_user(text.substr(0, colon), "ssh");
    if (!host) return host.error();
    auto checked = check_authority(*host);
    if (!checked) return checked.error();
    auto path = text.substr(colon + 1);
    if (path.empty()) return wrong("names a host, but no repository on it");
    if (path.starts_with('-')) return wrong("a path can't begin with \"-\"");
    // user:token@host/path, the scheme forgotten
    if (path.find('@') != path.npos) return wrong(std::string(kPasswordInside));
    return RepoAddress{"ssh", *checked, std::string(path)};
}

}  // namespace

Result<RepoAddress> parse_repo(std::string_view text) {
    if (text.empty()) return wrong("is empty; write \"git@github.com:acme/shop.git\"");
    if (std::any_of(text.begin(), text.end(), is_blank_or_control))
        return wrong("has a space or control character");
    if (text.find('\\') != text.npos) return wrong("has a backslash; paths have \"/\"");
    if (text.starts_with('-')) return wrong("an address can't begin with \"-\"");
    if (auto scheme = text.find("://"); scheme != text.npos)
        return parse_with_scheme(text.substr(0, scheme), text.substr(scheme + 3));
    if (text.starts_with('/')) return parse_file(text);
    auto colon = text.find(':');
    if (colon != text.npos && text.substr(0, colon).find('/') == text.npos)
        return parse_scp_like(text);
    if (auto dot = text.find('.');
        dot != text.npos && dot > 0 && text.find('/') != text.npos && text[0] != '.')
        return wrong(
            fmt::format("names no scheme; write \"https://{}\" or \"git@HOST:PATH\"", text));
    return wrong(
        "is no address of a repository; write \"git@github.com:acme/shop.git\", \"https://...\" or "
        "an "
        "absolute path");
}

Result<std::string> check_branch(std::string_view text) {
    if (text.empty()) return std::string();
    if (text.starts_with("refs/heads/"))
        return wrong(fmt::format("is written without \"refs/heads/\": \"{}\"", text.substr(11)));
    if (text.starts_with("refs/"))
        return wrong("is a branch's name; tags are followed by `tags = \"v*\"`");
    if (text.starts_with('-') || !domain::parse_ref("refs/heads/" + std::string(text)))
        return wrong("is no name that git allows for a branch");
    return std::string(text);
}

Result<std::string> check_tag_pattern(std::string_view text) {
    if (text.empty()) return std::string();
    if (text.starts_with("refs/tags/"))
        return wrong(fmt::format("is written without \"refs/tags/\": \"{}\"", text.substr(10)));
    // what is left of a pattern without its wildcards must be a name that git allows
    std::string plain;
    for (char c : text)
        plain += std::string_view("*?[]").find(c) != std::string_view::npos ? 'x' : c;
    if (plain.starts_with('-') || !domain::parse_ref("refs/tags/" + plain))
        return wrong("is no pattern of tag names; write one like \"v*\"");
    return std::string(text);
}

}  // namespace belay::config
