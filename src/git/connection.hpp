// One conversation with a remote repository: who it is, who we are, what it has, and its objects.
#pragma once

#include "failure.hpp"
#include "handle.hpp"
#include "order.hpp"
#include "progress.hpp"

#include <belay/git/repository_url.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace belay::git {

struct RemoteRef {
    git_oid id{};
    std::optional<git_oid> peeled;  // of an annotated tag, where the server said so
};

// By full name, refs/heads/… and refs/tags/… only.
using RemoteRefs = std::map<std::string, RemoteRef>;

struct Endpoint {
    RepositoryUrl url;
    std::string key_file;  // for messages
    std::string key;
    std::vector<KnownHostsFile> known_hosts;
    std::string username;
    std::string token;
    std::string ca_file;  // for messages
};

Endpoint make_endpoint(RepositoryUrl url, const ports::SourceAccess& access,
                       const Material& material);
// The same without anything secret: for another host.
Endpoint without_credentials(Endpoint endpoint, RepositoryUrl url);

class Connection {
  public:
    // `repository` may be null where nothing is downloaded.
    Connection(git_repository* repository, Endpoint endpoint, Progress& progress);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Outcome<void> open();
    Outcome<RemoteRefs> refs();
    // What the repository lacks of all branches and tags. Sets no reference.
    Outcome<void> download();

    struct State;

  private:
    std::unique_ptr<State> state_;
};

// Process-wide: no machine's or user's git configuration, owners don't matter, this CA's file or
// the system's.
Outcome<void> set_up_libgit2(const std::string& ca);

// Removes what a connection left in /tmp: async-signal-safe, for the moment of being killed.
void remove_temporary_home();

}  // namespace belay::git
