// A repository's address by our own grammar, as libgit2 and ssh see more in one than a user means.
#pragma once

#include <belay/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace belay::git {

struct RepositoryUrl {
    std::string scheme;      // https http ssh git file
    std::string user;        // ssh: "git" where none is given
    std::string host;        // as written; v6 without brackets
    std::uint16_t port = 0;  // 0: the scheme's own
    std::string path;        // with a leading slash but for ssh's relative ones

    std::uint16_t effective_port() const;
    // What libgit2 is given; has neither password nor http user.
    std::string text() const;

    bool operator==(const RepositoryUrl&) const = default;
};

// `scheme://[user@]host[:port]/path`, `[user@]host:path` (ssh), an absolute path or `file:///path`.
// Errc::invalid says what is wrong: other schemes, "transport::address", hosts or paths that begin
// with "-", control characters, and passwords in the address.
Result<RepositoryUrl> parse_repository_url(std::string_view text);

// Errc::forbidden names the scheme and the key that would allow it.
Result<void> check_scheme(const RepositoryUrl& url, const std::vector<std::string>& allow);

// The same server by the same protocol: what one may be told, the other may.
bool same_host(const RepositoryUrl& left, const RepositoryUrl& right);

// The text without "user:password@" wherever an address stands in it, for messages and logs.
std::string scrub_credentials(std::string_view text);

}  // namespace belay::git
