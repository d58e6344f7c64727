// Hosts, addresses and URLs.
#include "config/grammar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>
#include <netinet/in.h>

namespace belay::config {
namespace {

Error wrong(std::string message) {
    return Error{Errc::invalid, std::move(message)};
}

bool is_v4(const std::string& text) {
    in_addr address{};
    return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_v6(const std::string& text) {
    in6_addr address{};
    return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool parse_number(std::string_view text, int& into) {
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), into);
    return failure == std::errc{} && end == text.data() + text.size();
}

// ASCII without spaces and control characters.
bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char letter) {
        auto byte = static_cast<unsigned char>(letter);
        return byte > 0x20 && byte < 0x7f;
    });
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool is_wildcard(const std::string& host) {
    return host.empty() || host == "0.0.0.0" || host == "::";
}

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Where clouds answer with the machine's own credentials (reference/ci-daemons.md §3.4).
bool is_metadata_address(const std::string& host) {
    if (host == "metadata.google.internal" || host == "metadata" || host == "instance-data")
        return true;
    if (host == "100.100.100.200" || host == "192.0.0.192") return true;
    in_addr v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4) == 1)
        return (ntohl(v4.s_addr) >> 16) == 0xa9fe;  // 169.254/16
    in6_addr v6{};
    if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
    std::array<unsigned char, 16> bytes{};
    std::memcpy(bytes.data(), &v6, bytes.size());
    static constexpr std::array<unsigned char, 16> kAmazon{0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0,
                                                           0,    0, 0,    0,    0, 0, 2, 0x54};
    if (bytes == kAmazon) return true;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return true;  // fe80::/10
    return IN6_IS_ADDR_V4MAPPED(&v6) && bytes[12] == 169 && bytes[13] == 254;
}

}  // namespace

bool ListenAddress::collides(const ListenAddress& other) const {
    if (port != other.port) return false;
    if (host.empty() || other.host.empty() || host == other.host) return true;
    bool v6 = host.find(':') != host.npos;
    bool other_v6 = other.host.find(':') != other.host.npos;
    return v6 == other_v6 && (is_wildcard(host) || is_wildcard(other.host));
}

Result<ListenAddress> parse_listen(std::string_view text) {
    int port = 0;
    if (parse_number(text, port))
        return wrong(fmt::format(
            "\"{0}\": write \":{0}\" for all addresses or \"127.0.0.1:{0}\" for this machine alone",
            text));
    auto colon = text.rfind(':');
    if (colon == text.npos || colon + 1 == text.size())
        return wrong("the port is missing; write \"127.0.0.1:3000\" or \":80\"");
    auto host = text.substr(0, colon);
    auto number = text.substr(colon + 1);
    if (!parse_number(number, port) || port < 1 || port > 65'535)
        return wrong(fmt::format("\"{}\" is no port; ports are 1 to 65535", number));
    if (host.empty()) return ListenAddress{"", port};
    if (host.starts_with('[') && host.ends_with(']')) {
        auto inner = std::string(host.substr(1, host.size() - 2));
        if (!is_v6(inner)) return wrong(fmt::format("\"{}\" is no IPv6 address", inner));
        return ListenAddress{inner, port};
    }
    if (is_v6(std::string(text)) || host.find(':') != host.npos)
        return wrong("an IPv6 address stands in brackets: \"[::1]:3000\"");
    if (host == "localhost")
        return wrong(fmt::format("\"localhost:{0}\": write \"127.0.0.1:{0}\"", port));
    if (host == "*") return wrong(fmt::format("\"*:{0}\": write \":{0}\" for all addresses", port));
    if (!is_v4(std::string(host)))
        return wrong(fmt::format("\"{}\" is no IP address; names are not looked up here", host));
    return ListenAddress{std::string(host), port};
}

Result<std::string> check_listen(std::string_view text) {
    auto parsed = parse_listen(text);
    if (!parsed) return parsed.error();
    return std::string(text);
}

Result<std::string> check_network(std::string_view text) {
    auto slash = text.find('/');
    auto host = std::string(text.substr(0, slash));
    bool v4 = is_v4(host);
    if (!v4 && !is_v6(host))
        return wrong(fmt::format("\"{}\" is no network; write \"10.0.0.0/8\"", text));
    int bits = v4 ? 32 : 128;
    if (slash == text.npos) return fmt::format("{}/{}", host, bits);
    int length = 0;
    if (!parse_number(text.substr(slash + 1), length) || length < 0 || length > bits)
        return wrong(
            fmt::format("\"{}\" is no network: behind the slash belongs 0 to {}", text, bits));
    return std::string(text);
}

Result<std::string> check_host_name(std::string_view text) {
    if (text.empty()) return wrong("a host name is empty");
    if (text.find("://") != text.npos)
        return wrong(fmt::format("\"{}\" is written without the scheme: \"{}\"", text,
                                 text.substr(text.find("://") + 3)));
    if (text.find('/') != text.npos)
        return wrong(
            fmt::format("\"{}\" has a path; a part of a host is taken with path_prefix", text));
    if (text.find(':') != text.npos)
        return wrong(fmt::format("\"{}\" is written without a port", text));
    if (text.find('*') != text.npos)
        return wrong(
            fmt::format("\"{}\": wildcards are not known; name each host, or none to answer where "
                        "no other app does",
                        text));
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
        return wrong(fmt::format("\"{}\" is written in its xn-- form", text));
    if (text.ends_with('.'))
        return wrong(fmt::format("\"{}\" is written without the dot at its end", text));
    if (text.size() > 253) return wrong("a host name is longer than 253 characters");
    std::size_t at = 0;
    while (at <= text.size()) {
        auto dot = std::min(text.find('.', at), text.size());
        auto label = text.substr(at, dot - at);
        bool fine =
            !label.empty() && label.size() <= 63 && is_alnum(label.front()) &&
            is_alnum(label.back()) &&
            std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
        if (!fine)
            return wrong(
                fmt::format("\"{}\" is no host name; write one like \"shop.example.com\"", text));
        at = dot + 1;
    }
    return lower(text);
}

Result<HttpUrl> parse_http_url(std::string_view text) {
    HttpUrl url;
    auto rest = text;
    if (text.starts_with("https://")) {
        url.tls = true;
        rest.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        rest.remove_prefix(7);
    } else {
        return wrong("must begin with \"https://\" or \"http://\"");
    }
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
        return wrong("has a space or control character");
    auto slash = std::min(rest.find_first_of("/?#"), rest.size());
    auto authority = rest.substr(0, slash);
    url.path = rest.substr(slash);
    if (authority.find('@') != authority.npos) return wrong("is written without user and password");
    url.port = url.tls ? 443 : 80;
    auto colon = authority.rfind(':');
    if (colon != authority.npos && authority.find(']', colon) == authority.npos) {
        if (!parse_number(authority.substr(colon + 1), url.port) || url.port < 1 ||
            url.port > 65'535)
            return wrong(fmt::format("\"{}\" is no port", authority.substr(colon + 1)));
        authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[') && authority.ends_with(']')) {
        url.host = lower(authority.substr(1, authority.size() - 2));
        if (!is_v6(url.host)) return wrong(fmt::format("\"{}\" is no IPv6 address", url.host));
        return url;
    }
    auto host = check_host_name(authority);
    if (!host) return host.error();
    url.host = *host;
    return url;
}

Result<std::string> check_public_url(std::string_view text) {
    if (text.empty()) return std::string();
    auto url = parse_http_url(text);
    if (!url) return url.error();
    if (!url->path.empty() && url->path != "/")
        return wrong("names scheme and host alone, as in \"https://deploy.example.com\"");
    return std::string(text.ends_with('/') ? text.substr(0, text.size() - 1) : text);
}

Result<std::string> check_probe_url(std::string_view text) {
    if (text.empty()) return std::string();
    auto url = parse_http_url(text);
    if (!url) return url.error();
    if (is_metadata_address(url->host))
        return wrong("points at a link-local or metadata address, which is never asked");
    return std::string(text);
}

Result<std::string> check_room(std::string_view text) {
    if (text.starts_with('#'))
        return wrong(
            fmt::format("\"{}\" is an alias; write the room's internal id, which begins with ! "
                        "(Element: Room settings, Advanced)",
                        text));
    if (!text.starts_with('!') || text.size() > 255 || !is_plain(text))
        return wrong(
            fmt::format("\"{}\" is no room's id; they look like \"!abcdef:example.com\"", text));
    return std::string(text);
}

Result<std::string> check_mail_server(std::string_view text) {
    auto host = std::string(text);
    if (auto colon = host.rfind(':'); colon != host.npos && host.find(']', colon) == host.npos) {
        int port = 0;
        if (!parse_number(std::string_view(host).substr(colon + 1), port) || port < 1 ||
            port > 65'535)
            return wrong(fmt::format(
                "\"{}\" wants a port after the colon, as in \"mail.example.com:587\"", text));
        host.resize(colon);
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        if (is_v6(host.substr(1, host.size() - 2))) return std::string(text);
        return wrong(fmt::format("\"{}\" is no IPv6 address", host));
    }
    auto name = check_host_name(host);
    return name ? Result<std::string>(std::string(text)) : name;
}

Result<std::string> check_mail_address(std::string_view text) {
    auto at = text.rfind('@');
    if (at == text.npos || at == 0 || at + 1 == text.size() || text.size() > 254 ||
        !is_plain(text) || text.find_first_of("<>,\"") != text.npos)
        return wrong(fmt::format(
            "\"{}\" is no mail address; write it alone, as in \"ops@example.com\"", text));
    return std::string(text);
}

}  // namespace belay::config
