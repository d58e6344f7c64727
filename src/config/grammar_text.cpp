// Paths, names and other short texts.
#include "config/grammar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace belay::config {
namespace {

Error wrong(std::string message) {
    return Error{Errc::invalid, std::move(message)};
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), is_control);
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

// sockaddr_un's sun_path with its terminating zero.
constexpr std::size_t kSocketPathMax = 107;

// Segments of a path, "." and empty ones left out; none when one is ".." or .git.
Result<std::string> clean_segments(std::string_view text) {
    std::string result;
    std::size_t at = 0;
    while (at <= text.size()) {
        auto slash = std::min(text.find('/', at), text.size());
        auto segment = text.substr(at, slash - at);
        at = slash + 1;
        if (segment.empty() || segment == ".") continue;
        if (segment == "..")
            return wrong(fmt::format("\"{}\" has a \"..\", which would lead out of the app", text));
        if (segment == ".git")
            return wrong(fmt::format("\"{}\" is git's own; releases have no .git", text));
        result += (result.empty() ? "" : "/") + std::string(segment);
    }
    return result;
}

}  // namespace

Result<std::string> check_text(std::string_view text) {
    if (has_control(text)) return wrong("has a line break or control character");
    return std::string(text);
}

Result<std::string> check_relative_path(std::string_view text) {
    if (has_control(text)) return wrong("has a line break or control character");
    if (text.starts_with('/'))
        return wrong(fmt::format(
            "\"{}\" is absolute; paths here are relative to the app's directory", text));
    if (text.starts_with('~'))
        return wrong(fmt::format("\"{}\": a \"~\" means nothing here", text));
    return clean_segments(text);
}

Result<std::string> check_cache_path(std::string_view text) {
    if (!text.starts_with("~/")) {
        auto path = check_relative_path(text);
        if (path && path->empty()) return wrong("the whole workspace can't be a cache");
        return path;
    }
    if (has_control(text)) return wrong("has a line break or control character");
    auto rest = clean_segments(text.substr(2));
    if (!rest) return rest;
    if (rest->empty())
        return wrong("the whole home directory can't be a cache; it is kept between builds anyway");
    return "~/" + *rest;
}

Result<std::string> check_pattern(std::string_view text) {
    if (text.empty()) return wrong("a pattern is empty; \"**\" is everything");
    auto path = check_relative_path(text);
    if (!path) return path;
    // "docs/" means all below it
    return text.ends_with('/') ? *path + "/**" : *path;
}

Result<std::string> check_absolute_path(std::string_view text) {
    if (text.empty()) return std::string();
    if (has_control(text)) return wrong("has a line break or control character");
    if (!text.starts_with('/')) return wrong(fmt::format("\"{}\" must be an absolute path", text));
    auto clean = text;
    while (clean.size() > 1 && clean.ends_with('/'))
        clean.remove_suffix(1);
    return std::string(clean);
}

Result<std::string> check_socket_path(std::string_view text) {
    auto path = check_absolute_path(text);
    if (!path) return path;
    if (path->empty()) return wrong("is empty");
    if (path->size() > kSocketPathMax)
        return wrong(fmt::format("has {} characters; a socket's path can have {}", path->size(),
                                 kSocketPathMax));
    return path;
}

Result<std::string> check_request_path(std::string_view text) {
    if (text.empty()) return std::string();
    if (text.find("://") != text.npos) return wrong("is a whole URL; that is the key url's");
    if (!text.starts_with('/')) return wrong(fmt::format("must begin with a slash: \"/{}\"", text));
    if (has_control(text) || text.find_first_of(" #") != text.npos)
        return wrong("has a space, \"#\" or control character; write them as %20 and the like");
    return std::string(text);
}

Result<std::string> check_path_prefix(std::string_view text) {
    if (!text.starts_with('/')) return wrong(fmt::format("must begin with a slash: \"/{}\"", text));
    if (has_control(text) || text.find_first_of(" ?#%\\") != text.npos)
        return wrong("is a plain path, as in \"/shop\"");
    auto clean = clean_segments(text);
    if (!clean) return clean;
    return "/" + *clean;
}

Result<std::string> check_method(std::string_view text) {
    static constexpr std::array<std::string_view, 4> kMethods{"GET", "HEAD", "OPTIONS", "POST"};
    if (std::find(kMethods.begin(), kMethods.end(), text) == kMethods.end())
        return wrong("must be one of GET, HEAD, OPTIONS and POST");
    return std::string(text);
}

Result<std::string> check_signal(std::string_view text) {
    static constexpr std::array<std::string_view, 8> kSignals{"TERM", "INT",  "QUIT",  "HUP",
                                                              "USR1", "USR2", "WINCH", "KILL"};
    auto name = text.starts_with("SIG") ? text.substr(3) : text;
    if (std::find(kSignals.begin(), kSignals.end(), name) == kSignals.end())
        return wrong("must be one of TERM, INT, QUIT, HUP, USR1, USR2, WINCH and KILL");
    return std::string(name);
}

Result<std::string> check_user(std::string_view text) {
    if (text == "root" || text == "0")
        return wrong("root never runs pushed code; write \"auto\" or another user's name");
    if (text.empty()) return wrong("is empty; write \"auto\" or a user's name");
    bool fine = text.size() <= 32 && (is_alpha(text[0]) || text[0] == '_') &&
                std::all_of(text.begin(), text.end(), [](char c) {
                    return is_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
                });
    if (!fine)
        return wrong(
            fmt::format("\"{}\" is no user's name; \"auto\" gives the app one of its own", text));
    return std::string(text);
}

Result<std::string> check_variable(std::string_view name) {
    bool fine = !name.empty() && !is_digit(name[0]) &&
                std::all_of(name.begin(), name.end(),
                            [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
    if (!fine)
        return wrong(
            "is no name for a variable; they have letters, digits and _ and begin with no digit");
    if (name == "PORT" || name == "HOST" || name.starts_with("BELAY_"))
        return wrong("is set by Belay itself, for each process; leave it out");
    return std::string(name);
}

Result<std::string> check_header_name(std::string_view name) {
    bool fine = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return is_alpha(c) || is_digit(c) ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
    if (!fine) return wrong("is no name for a header");
    return std::string(name);
}

Result<std::string> check_process_name(std::string_view name) {
    bool fine = !name.empty() && name.size() <= 32 && is_lower(name[0]) &&
                std::all_of(name.begin(), name.end(),
                            [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
    if (!fine)
        return wrong(
            "is no name for a process; they have a-z, 0-9 and -, begin with a letter, and at most "
            "32 characters");
    return std::string(name);
}

}  // namespace belay::config
