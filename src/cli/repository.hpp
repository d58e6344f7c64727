// A git repository on this machine, as far as its hooks are concerned.
#pragma once

#include <belay/base/error.hpp>

#include <string>
#include <sys/types.h>

namespace belay::cli {

struct LocalRepository {
    std::string path;     // absolute, links resolved: what was asked for
    std::string git_dir;  // `path` itself where it is bare
    std::string hooks;    // core.hooksPath of its own configuration honoured (git-config(1))
    bool bare = true;
    uid_t owner = 0;
    gid_t group = 0;
};

// Errc::not_found where there is no repository, with what is missing.
Result<LocalRepository> find_repository(const std::string& path);

// Whether a user may read a file, by the modes of it and of the folders above; access lists are not
// looked at.
bool may_read(uid_t user, const std::string& file);

// The user's name, else its number.
std::string user_name(uid_t user);

}  // namespace belay::cli
