#include "kill_uid.hpp"

#include "privileges.hpp"
#include "text.hpp"

#include <cerrno>
#include <csignal>
#include <unistd.h>

namespace belay::shim {

namespace {

int refuse(const char* why) {
    Line<128> line;
    line.add("belay-shim: kill-uid: ").add(why).add("\n");
    write_all(2, line.data(), line.length());
    return 64;
}

}  // namespace

int kill_uid(int argc, char** argv) {
    std::uint64_t uid = 0, first = 0, last = 0;
    if (argc != 5 || !parse_number(argv[2], uid) || !parse_number(argv[3], first) ||
        !parse_number(argv[4], last))
        return refuse("needs UID FIRST LAST");
    if (uid == 0 || uid >= 0xffffffffu) return refuse("not this uid");
    if (uid < first || uid > last) return refuse("outside the range");
    if (uid == getuid() || uid == geteuid()) return refuse("our own uid");
    auto id = static_cast<uid_t>(uid);
    if (!change_user(id, id, nullptr, 0)) return 77;
    // All three ids must have changed, or kill(-1) would reach others.
    uid_t real = 0, effective = 0, saved = 0;
    if (getresuid(&real, &effective, &saved) != 0 || real != id || effective != id || saved != id)
        return 77;
    // One call is enough: the kernel holds off forks of what it signals, and leaves the caller out.
    return kill(-1, SIGKILL) == 0 || errno == ESRCH ? 0 : 77;
}

}  // namespace belay::shim
