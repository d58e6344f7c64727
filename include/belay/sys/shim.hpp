// What every child has in common: started by belay-shim, from a specification that travels by
// descriptor.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/process.hpp>
#include <belay/sys/cgroup.hpp>
#include <belay/sys/unique_fd.hpp>

#include <string>
#include <utility>
#include <vector>

namespace belay::sys {

// BELAY_SHIM of the environment, else beside this executable, ../libexec/belay/ and the build
// tree's src/shim/. Errc::not_found lists the places.
Result<std::string> find_shim();

// A descriptor for the child under a name, by LISTEN_FDS; the caller keeps its own.
struct NamedFd {
    int fd = -1;
    std::string name;
};

// What to execute. The environment is the whole of it; secrets go here, never into argv.
struct Program {
    std::vector<std::string>
        argv;  // argv[0] is looked up in the PATH of `env` where it has no slash
    std::vector<std::pair<std::string, std::string>> env;
    std::string cwd = "/";
    std::optional<User> user;  // unset: as we are
    ProcessLimits limits;
    mode_t umask = 022;
    Cgroup group;  // to join; none: ours
    StopRule stop;
    Millis first_backoff{1'000};  // before the first restart; doubles up to a minute
    std::vector<NamedFd> listeners;
};

// Kills every process of a build or fetch uid, in whatever session it hides: kill(-1, KILL) as that
// uid, by a shim. Blocks for some milliseconds. Refused (Errc::invalid): uid 0, our own, or one
// outside first..last. Errc::forbidden where we can't become it.
Result<void> kill_all_of_uid(const std::string& shim_path, uid_t uid, uid_t first, uid_t last);

}  // namespace belay::sys
