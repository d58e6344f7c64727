// Where a commit's submodules come from: gitmodules(5), by a parser of our own, as git's
// configuration format can include files of the machine.
#pragma once

#include <belay/base/error.hpp>
#include <belay/git/repository_url.hpp>

#include <map>
#include <string>
#include <string_view>

namespace belay::git {

// Path to url, as written.
std::map<std::string, std::string> parse_gitmodules(std::string_view text);

// "./x" and "../x" are taken from the address of the repository that holds the file. Errc::invalid.
Result<RepositoryUrl> resolve_submodule_url(const RepositoryUrl& parent, std::string_view url);

// The name of a submodule's mirror within the app's: from its address.
std::string submodule_mirror_name(const RepositoryUrl& url);

}  // namespace belay::git
