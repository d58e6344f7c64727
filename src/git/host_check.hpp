// Whether an ssh server is the one we know, in words that say what to do.
#pragma once

#include "failure.hpp"
#include "known_hosts.hpp"

#include <belay/git/repository_url.hpp>

#include <git2/cert.h>

#include <optional>
#include <string>
#include <vector>

namespace belay::git {

// Empty where libgit2 didn't give the key itself.
std::string raw_host_key(const git_cert_hostkey& certificate);

// None: it is trusted.
std::optional<Failure> host_key_problem(const std::vector<KnownHostsFile>& files,
                                        const RepositoryUrl& url, std::string_view key);

}  // namespace belay::git
