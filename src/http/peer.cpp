#include "peer.hpp"

#include <belay/async/offload.hpp>
#include <belay/http/server.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <grp.h>
#include <map>
#include <pwd.h>
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

struct UserName {
    uid_t uid;

    std::string operator()() const {
        std::array<char, 4096> buffer;
        passwd entry{};
        passwd* found = nullptr;
        bool named = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found;
        return named ? std::string(found->pw_name) : fmt::format("uid {}", uid);
    }
};

}  // namespace

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

Task<std::string> user_name(boost::asio::thread_pool& pool, uid_t uid) {
    static std::map<uid_t, std::string> known;
    if (auto place = known.find(uid); place != known.end()) co_return place->second;
    UserName lookup(uid);
    auto name = co_await async::offload(pool, lookup);
    known.insert_or_assign(uid, name);
    co_return name;
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
