// Which of a push's changes an app deploys, and why not. Pure.
#pragma once

#include <belay/domain/config.hpp>
#include <belay/domain/push.hpp>
#include <belay/domain/rule.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace belay::engine {

struct Match {
    // The last that matches: one delivery makes at most one deployment; of several tags the newest
    // version. Without a commit where the body is not to be believed: what the ref is at when it is
    // fetched.
    std::optional<domain::Change> change;
    domain::Rule rule = domain::Rule::none;  // why it is this one, or why it is none
    std::string reason;                      // the same in words
};

Match match(const domain::Push& push, const domain::AppConfig& app);

// Host and path of a repository's address, lower-case, without scheme, user, port, ".git" and
// slashes at the ends.
struct RepositoryPlace {
    std::string host;  // empty: a path on this machine
    std::string path;

    bool operator==(const RepositoryPlace&) const = default;
};
RepositoryPlace place_of(std::string_view address);

// Whether the payload's repository can be the configured one. Where both name the same host the
// paths must be equal; where a mirror, an ssh alias or a local path makes hosts incomparable, the
// last part of the path decides.
bool same_repository(const domain::Repository& named, std::string_view configured);

// "branch main", "tags v*", "branch main and tags v*"
std::string followed(const domain::AppConfig& app);

// ASCII only, whatever the locale.
std::string lower(std::string_view text);

// fnmatch(3) for branch and tag patterns.
bool fits_pattern(std::string_view pattern, std::string_view name);

}  // namespace belay::engine
