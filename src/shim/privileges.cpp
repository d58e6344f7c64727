#include "privileges.hpp"

#include "text.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace belay::shim {

namespace {

bool write_file(const char* path, const char* content) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write_all(fd, content, std::strlen(content));
    close(fd);
    return written;
}

bool join_cgroup(const char* directory) {
    Line<4096> path;
    path.add(directory).add("/cgroup.procs");
    return write_file(path.c_str(), "0");
}

// A change between two ordinary uids keeps ambient and permitted capabilities, unlike one away from
// root.
bool drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    return syscall(SYS_capset, &header, none) == 0;
}

}  // namespace

bool change_user(uid_t uid, gid_t gid, const gid_t* groups, std::size_t count) {
    // Already that user, without the right to change: nothing to do, and nothing more to lose.
    if (geteuid() != 0 && getuid() == uid && getgid() == gid && count == 0) return true;
    if (setgroups(count, groups) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0)
        return false;
    return uid == 0 || drop_capabilities();
}

const char* become(const Spec& spec) {
    setsid();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return "subreaper";
    // The daemon may be hard to kill for want of memory; what it runs is not.
    write_file("/proc/self/oom_score_adj", "0");
    for (unsigned at = 0; at < spec.cgroup_count; ++at)
        if (!join_cgroup(spec.cgroups[at])) return "cgroup";
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (chdir("/") != 0) return "chdir";
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (spec.change_user && !change_user(spec.uid, spec.gid, spec.groups, spec.group_count))
        return "user";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
    // Else the app, being the same user, could attach to us or open our descriptors.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return "dumpable";
    return nullptr;
}

}  // namespace belay::shim
