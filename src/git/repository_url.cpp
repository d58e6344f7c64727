#include <belay/git/repository_url.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace belay::git {
namespace {

constexpr std::array<std::string_view, 5> kSchemes = {"https", "ssh", "git", "http", "file"};

Error invalid(std::string_view text, std::string_view why) {
    return Error{Errc::invalid, fmt::format("repository {:?}: {}", scrub_credentials(text), why)};
}

bool is_host(std::string_view host) {
    constexpr std::string_view allowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (host.empty() || host.size() > 253 || host.front() == '-') return false;
    return host.find_first_not_of(allowed) == std::string_view::npos;
}

bool is_v6(std::string_view host) {
    return !host.empty() &&
           host.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
}

bool is_user(std::string_view user) {
    return !user.empty() && user.front() != '-' &&
           user.find_first_of(" \t\"'\\:@/") == std::string_view::npos;
}

struct Authority {
    std::optional<std::string_view> user;
    std::string_view host;
    std::string_view rest;  // what follows the host: "", ":22"
    const char* problem = nullptr;
};

// "[user@]host" or "[user@][v6]" with whatever stands behind.
Authority split_authority(std::string_view text) {
    Authority parts;
    if (auto at = text.rfind('@'); at != std::string_view::npos) {
        parts.user = text.substr(0, at);
        text.remove_prefix(at + 1);
        if (parts.user->find(':') != std::string_view::npos) {
            parts.problem =
                "a password in the address would end up in logs: give it as [credentials] token";
            return parts;
        }
        if (!is_user(*parts.user)) parts.problem = "the user's name has characters that none has";
    }
    if (!text.empty() && text.front() == '[') {
        auto end = text.find(']');
        parts.host = end == std::string_view::npos ? std::string_view() : text.substr(1, end - 1);
        parts.rest = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (!is_v6(parts.host)) parts.problem = "what stands in [] is no IPv6 address";
        return parts;
    }
    auto end = std::min(text.find(':'), text.size());
    parts.host = text.substr(0, end);
    parts.rest = text.substr(end);
    if (!is_host(parts.host) && parts.problem == nullptr)
        parts.problem = "this is not a host's name";
    return parts;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

Result<RepositoryUrl> parse_with_scheme(std::string_view text, std::size_t colon) {
    RepositoryUrl url;
    url.scheme = text.substr(0, colon);
    std::ranges::transform(url.scheme, url.scheme.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    if (url.scheme == "git+ssh" || url.scheme == "ssh+git") url.scheme = "ssh";
    if (std::ranges::find(kSchemes, url.scheme) == kSchemes.end()) {
        return invalid(text,
                       fmt::format("{}:// is none of {}", url.scheme, fmt::join(kSchemes, ", ")));
    }
    auto rest = text.substr(colon + 3);
    auto slash = std::min(rest.find('/'), rest.size());
    url.path = rest.substr(slash);
    if (url.path.size() < 2) return invalid(text, "it names no path");
    if (url.scheme == "file") {
        if (slash != 0)
            return invalid(text, "file:// takes an absolute path: file:///srv/git/app.git");
        return url;
    }
    auto parts = split_authority(rest.substr(0, slash));
    if (parts.problem != nullptr) return invalid(text, parts.problem);
    if (!parts.rest.empty()) {
        auto port = parse_port(parts.rest.substr(1));
        if (parts.rest.front() != ':' || !port)
            return invalid(text, "the port is no number from 1 to 65535");
        url.port = *port;
    }
    url.host = parts.host;
    url.user = parts.user.value_or(url.scheme == "ssh" ? "git" : "");
    return url;
}

Result<RepositoryUrl> parse_scp_like(std::string_view text) {
    auto parts = split_authority(text);
    if (parts.problem != nullptr) return invalid(text, parts.problem);
    if (parts.rest.size() < 2 || parts.rest.front() != ':') {
        return invalid(
            text,
            "write https://host/path, ssh://git@host/path, git@host:path, or an absolute path");
    }
    RepositoryUrl url;
    url.scheme = "ssh";
    url.user = parts.user.value_or("git");
    url.host = parts.host;
    url.path = parts.rest.substr(1);
    if (url.path.front() == '-')
        return invalid(text, "a path that begins with \"-\" would be an option");
    return url;
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

std::uint16_t RepositoryUrl::effective_port() const {
    if (port != 0) return port;
    if (scheme == "https") return 443;
    if (scheme == "http") return 80;
    if (scheme == "ssh") return 22;
    if (scheme == "git") return 9418;
    return 0;
}

std::string RepositoryUrl::text() const {
    if (scheme == "file") return path;
    auto shown_host = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
    if (scheme == "ssh" && !path.starts_with('/'))
        return fmt::format("{}@{}:{}", user, shown_host, path);
    return fmt::format("{}://{}{}{}{}", scheme, scheme == "ssh" ? user + "@" : "", shown_host,
                       port == 0 ? "" : fmt::format(":{}", port), path);
}

Result<RepositoryUrl> parse_repository_url(std::string_view text) {
    if (text.empty()) return invalid(text, "it is empty");
    if (text.size() > 2048) return invalid(text.substr(0, 80), "longer than 2048 characters");
    if (std::ranges::any_of(text, is_control)) return invalid(text, "it has a control character");
    if (text.front() == '-')
        return invalid(text, "an address that begins with \"-\" would be an option");
    if (text.front() == '/') {
        RepositoryUrl url;
        url.scheme = "file";
        url.path = text;
        return url;
    }
    auto colon = text.find(':');
    auto slash = text.find('/');
    if (colon != std::string_view::npos && colon < slash) {
        if (text.substr(colon).starts_with("://")) return parse_with_scheme(text, colon);
        if (text.substr(colon).starts_with("::")) {
            return invalid(text,
                           "remote helpers (transport::address) run programs and are never used");
        }
    }
    return parse_scp_like(text);
}

Result<void> check_scheme(const RepositoryUrl& url, const std::vector<std::string>& allow) {
    if (std::ranges::find(allow, url.scheme) != allow.end()) return {};
    return Error{
        Errc::forbidden,
        fmt::format(
            "repository {}: \"{}\" is not among [git] allow = [{}] of belay.toml; add it there if "
            "it is meant",
            url.text(), url.scheme, fmt::join(allow, ", "))};
}

bool same_host(const RepositoryUrl& left, const RepositoryUrl& right) {
    return left.scheme == right.scheme && left.host == right.host &&
           left.effective_port() == right.effective_port();
}

std::string scrub_credentials(std::string_view text) {
    std::string out;
    while (true) {
        auto start = text.find("://");
        if (start == std::string_view::npos) return out.append(text);
        start += 3;
        auto end = std::min(text.find_first_of("/ \t\n'\"", start), text.size());
        auto authority = text.substr(start, end - start);
        auto at = authority.rfind('@');
        bool ssh = text.substr(0, start).ends_with("ssh://");
        bool secret = at != std::string_view::npos &&
                      (!ssh || authority.substr(0, at).find(':') != std::string_view::npos);
        out.append(text.substr(0, start));
        if (secret) out.append("***@");
        out.append(secret ? authority.substr(at + 1) : authority);
        text.remove_prefix(end);
    }
}

}  // namespace belay::git
