// Who is at the other end, and what that allows.
#pragma once

#include <belay/async/task.hpp>
#include <belay/domain/access.hpp>

#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <string>
#include <sys/types.h>

namespace belay::http {

using domain::Role;

struct Peer {
    bool local = false;  // came over the Unix socket
    uid_t uid = 0;       // of a local one
    Role role = Role::none;
};

// By the kernel's word (SO_PEERCRED and SO_PEERGROUPS, socket(7) and unix(7)): root and the
// daemon's own user are admin, members of the group deploy, others none.
Peer local_peer(int fd, std::optional<gid_t> deploy_group);

// "ann", or "uid 1234" where the user has no name. Looked up once for each, off the loop, as the
// database of users may be slow. Loop thread only.
Task<std::string> user_name(boost::asio::thread_pool& pool, uid_t uid);

}  // namespace belay::http
