// Which of a push's changes an app deploys, and why not. Pure.
#pragma once

#include <belay/domain/config.hpp>
#include <belay/domain/push.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace belay::engine {

struct Match {
    // The last that matches: one delivery makes at most one deployment. Its commit is empty where
    // the body is not to be believed: what the branch or tag is at when it is fetched.
    std::optional<domain::Change> change;
    std::string reason;  // why none does; a word, then a sentence for a person
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

// fnmatch(3) for branch and tag patterns.
bool fits_pattern(std::string_view pattern, std::string_view name);

}  // namespace belay::engine
