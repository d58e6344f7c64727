// Who is at the other end, and what that allows.
#pragma once

#include <optional>
#include <string_view>
#include <sys/types.h>

namespace belay::http {

// Each may do what those before it may.
enum class Role { none, read, deploy, admin };
std::string_view to_string(Role role);

struct Peer {
    bool local = false;  // came over the Unix socket
    uid_t uid = 0;       // of a local one
    Role role = Role::none;
};

// By the kernel's word (SO_PEERCRED and SO_PEERGROUPS, socket(7) and unix(7)): root and the
// daemon's own user are admin, members of the group deploy, others none.
Peer local_peer(int fd, std::optional<gid_t> deploy_group);

}  // namespace belay::http
