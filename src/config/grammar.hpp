// The small grammars of single values. Each gives the value in its one normal form, or says what is
// wrong with it and how it would be right; the message goes behind the key's path, so it names
// neither key nor file.
#pragma once

#include <belay/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace belay::config {

// `https http ssh git file`, scp-like `user@host:path` (ssh) or an absolute path (file).
struct RepoAddress {
    std::string scheme;
    std::string host;  // of all but file
    std::string path;  // of file: absolute
};
Result<RepoAddress> parse_repo(std::string_view text);

// "127.0.0.1:80", "[::1]:80", ":80" (all addresses of both families; `host` is empty).
struct ListenAddress {
    std::string host;
    int port = 0;

    // Both can't be bound together.
    bool collides(const ListenAddress& other) const;
};
Result<ListenAddress> parse_listen(std::string_view text);

struct HttpUrl {
    bool tls = false;
    std::string host;  // lower case, no brackets
    int port = 0;
    std::string path;  // with its query; empty where there is none
};
Result<HttpUrl> parse_http_url(std::string_view text);

Result<std::string> check_text(std::string_view text);  // one line, no control characters
Result<std::string> check_branch(std::string_view text);
Result<std::string> check_tag_pattern(std::string_view text);
Result<std::string> check_relative_path(
    std::string_view text);  // no "..", never .git; without "./" and slashes at its end
Result<std::string> check_cache_path(std::string_view text);  // besides: "~/..."
Result<std::string> check_pattern(
    std::string_view text);  // of files in the workspace: * ? [] and **
Result<std::string> check_absolute_path(std::string_view text);
Result<std::string> check_socket_path(std::string_view text);
Result<std::string> check_host_name(std::string_view text);  // RFC 1123, lower-cased
Result<std::string> check_listen(std::string_view text);
Result<std::string> check_network(std::string_view text);  // CIDR, v4 or v6
Result<std::string> check_public_url(std::string_view text);
Result<std::string> check_room(std::string_view text);          // Matrix: "!id:server"
Result<std::string> check_mail_server(std::string_view text);   // host, or host:port
Result<std::string> check_mail_address(std::string_view text);  // the address alone
Result<std::string> check_probe_url(std::string_view text);     // never a cloud's metadata service
Result<std::string> check_request_path(std::string_view text);
Result<std::string> check_path_prefix(std::string_view text);
Result<std::string> check_method(std::string_view text);
Result<std::string> check_signal(std::string_view text);  // "TERM", also written "SIGTERM"
Result<std::string> check_user(
    std::string_view text);  // useradd(8)'s names, or "auto"; root is refused

Result<std::string> check_variable(std::string_view name);     // of the environment
Result<std::string> check_header_name(std::string_view name);  // RFC 9110 token
Result<std::string> check_process_name(std::string_view name);

}  // namespace belay::config
