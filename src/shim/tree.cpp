#include "tree.hpp"

#include "text.hpp"

#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace belay::shim {

namespace {

struct Member {
    pid_t pid;
    pid_t parent;
};

// One snapshot; larger trees are taken in several, as every use of it repeats until nothing is
// left.
constexpr unsigned kMaxMembers = 4096;
Member members[kMaxMembers];
unsigned member_count = 0;

void add_member(pid_t pid, pid_t parent) {
    if (member_count < kMaxMembers) members[member_count++] = {pid, parent};
}

struct Stat {
    char state = 0;
    pid_t parent = 0;
    std::uint64_t start = 0;
};

// The name in field 2 may hold anything, so fields are counted from its last parenthesis.
bool read_stat(pid_t pid, Stat& stat) {
    Line<64> path;
    path.add("/proc/").add(static_cast<std::uint64_t>(pid)).add("/stat");
    char text[1024];
    if (read_small(path.c_str(), text, sizeof text) <= 0) return false;
    char* at = std::strrchr(text, ')');
    if (at == nullptr) return false;
    ++at;
    for (int field = 3; field <= 22 && *at == ' '; ++field) {
        char* value = ++at;
        while (*at != ' ' && *at != '\0' && *at != '\n')
            ++at;
        char end = *at;
        *at = '\0';
        std::uint64_t number = 0;
        if (field == 3) stat.state = *value;
        if (field == 4 && parse_number(value, number)) stat.parent = static_cast<pid_t>(number);
        if (field == 22 && parse_number(value, number)) stat.start = number;
        *at = end;
    }
    return stat.state != 0;
}

struct NumberVisit {
    void (*visit)(pid_t number, void* context);
    void* context;
};

// Calls back with every numeric name in a directory of /proc.
void each_number(const char* path, void (*visit)(pid_t number, void* context), void* context) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    NumberVisit numbers{visit, context};
    each_name(
        fd,
        [](int, const char* name, void* into) {
            auto* inner = static_cast<NumberVisit*>(into);
            std::uint64_t number = 0;
            if (parse_number(name, number))
                inner->visit(static_cast<pid_t>(number), inner->context);
        },
        &numbers);
    close(fd);
}

struct TaskWalk {
    pid_t process;
    bool supported;
};

void add_children_of_task(pid_t task, void* context) {
    auto* walk = static_cast<TaskWalk*>(context);
    Line<64> path;
    path.add("/proc/").add(static_cast<std::uint64_t>(walk->process)).add("/task/");
    path.add(static_cast<std::uint64_t>(task)).add("/children");
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    walk->supported = true;
    char buffer[1024];
    pid_t pid = 0;
    for (;;) {
        auto got = read(fd, buffer, sizeof buffer);
        if (got <= 0) break;
        for (long at = 0; at < got; ++at) {
            if (buffer[at] >= '0' && buffer[at] <= '9') {
                pid = pid * 10 + (buffer[at] - '0');
            } else if (pid != 0) {
                add_member(pid, walk->process);
                pid = 0;
            }
        }
    }
    close(fd);
}

void add_if_child(pid_t pid, void* context) {
    auto parent = *static_cast<pid_t*>(context);
    Stat stat;
    if (read_stat(pid, stat) && stat.parent == parent) add_member(pid, parent);
}

void add_children(pid_t process) {
    Line<64> path;
    path.add("/proc/").add(static_cast<std::uint64_t>(process)).add("/task");
    TaskWalk walk{process, false};
    each_number(path.c_str(), add_children_of_task, &walk);
    // A kernel without CONFIG_PROC_CHILDREN: look at everybody's parent.
    if (!walk.supported) each_number("/proc", add_if_child, &process);
}

void take_snapshot() {
    member_count = 0;
    add_children(getpid());
    for (unsigned at = 0; at < member_count; ++at)
        add_children(members[at].pid);
}

// By pidfd and a second look at the parent: a grandchild may have been reaped and its pid given to
// a stranger.
void signal_member(const Member& member, int number) {
    if (member.parent == getpid()) {
        kill(member.pid, number);
        return;
    }
    auto fd = static_cast<int>(syscall(SYS_pidfd_open, member.pid, 0));
    if (fd < 0) return;
    Stat stat;
    if (read_stat(member.pid, stat) && (stat.parent == member.parent || stat.parent == getpid()))
        syscall(SYS_pidfd_send_signal, fd, number, nullptr, 0);
    close(fd);
}

}  // namespace

void each_name(int directory, void (*visit)(int directory, const char* name, void* context),
               void* context) {
    alignas(dirent64) char buffer[4096];
    for (;;) {
        long got = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
        if (got <= 0) return;
        for (long at = 0; at < got;) {
            auto* entry = reinterpret_cast<dirent64*>(buffer + at);
            at += entry->d_reclen;
            visit(directory, entry->d_name, context);
        }
    }
}

std::uint64_t start_time(pid_t pid) {
    Stat stat;
    return read_stat(pid, stat) ? stat.start : 0;
}

unsigned signal_tree(int number) {
    take_snapshot();
    for (unsigned at = 0; at < member_count; ++at)
        signal_member(members[at], number);
    return member_count;
}

pid_t first_child() {
    take_snapshot();
    for (unsigned at = 0; at < member_count; ++at) {
        Stat stat;
        if (members[at].parent == getpid() && read_stat(members[at].pid, stat) && stat.state != 'Z')
            return members[at].pid;
    }
    return 0;
}

void each_descendant(void (*visit)(pid_t pid, void* context), void* context) {
    take_snapshot();
    for (unsigned at = 0; at < member_count; ++at)
        visit(members[at].pid, context);
}

}  // namespace belay::shim
