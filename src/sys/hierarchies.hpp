// Where the kernel's control groups are mounted, and where we are in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belay::sys {

struct Hierarchy {
    bool unified = false;                  // version 2
    std::vector<std::string> controllers;  // of version 1; those of version 2 its files tell
    std::string mount;                     // "/sys/fs/cgroup/memory"
    std::string own;  // our group below the mount: "" or "/system.slice/x.service"

    bool has(std::string_view controller) const;
};

// From /proc/self/mountinfo and /proc/self/cgroup [proc(5), cgroups(7)]. Those that are mounted
// twice come once; named ones without a controller are left out, and so are those whose mount does
// not reach our group.
std::vector<Hierarchy> parse_hierarchies(std::string_view mountinfo, std::string_view cgroup);
std::vector<Hierarchy> hierarchies();

}  // namespace belay::sys
