#include "peer.hpp"

#include <belay/http/server.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace belay::http {
namespace {

// Of the process when it connected, so no user database is asked.
std::vector<gid_t> peer_groups(int fd) {
    std::vector<gid_t> groups(64);
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        int failed = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
        groups.resize(failed && errno != ERANGE ? 0 : bytes / sizeof(gid_t));
        if (!failed || groups.empty()) break;
    }
    return groups;
}

}  // namespace

std::string_view to_string(Role role) {
    static constexpr std::array<std::string_view, 4> kNames{"none", "read", "deploy", "admin"};
    return kNames.at(static_cast<std::size_t>(role));
}

Peer local_peer(int fd, std::optional<gid_t> deploy_group) {
    Peer peer;
    peer.local = true;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        peer.uid = static_cast<uid_t>(-1);
        return peer;
    }
    peer.uid = credentials.uid;
    if (credentials.uid == 0 || credentials.uid == ::geteuid()) {
        peer.role = Role::admin;
    } else if (deploy_group) {
        auto groups = peer_groups(fd);
        groups.push_back(credentials.gid);
        if (std::find(groups.begin(), groups.end(), *deploy_group) != groups.end())
            peer.role = Role::deploy;
    }
    return peer;
}

Result<gid_t> share_with_group(const std::string& socket, const std::string& group) {
    std::vector<char> buffer(16 * 1024);
    ::group entry{};
    ::group* found = nullptr;
    int failure = ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (failure != 0) return errno_error(failure, "looking up the group " + group);
    if (!found)
        return Error{Errc::not_found, "there is no group \"" + group +
                                          "\" ([server] group): `groupadd --system " + group +
                                          "` makes it"};
    if (::chown(socket.c_str(), static_cast<uid_t>(-1), entry.gr_gid) != 0)
        return errno_error(errno, "giving " + socket + " to the group " + group);
    if (::chmod(socket.c_str(), 0660) != 0)
        return errno_error(errno, "setting the mode of " + socket);
    return entry.gr_gid;
}

}  // namespace belay::http
