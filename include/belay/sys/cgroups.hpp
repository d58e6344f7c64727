// Where the control groups of this daemon are, and which limits this machine enforces by them.
#pragma once

#include <belay/async/task.hpp>
#include <belay/async/timers.hpp>
#include <belay/sys/cgroup.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::sys {

struct GroupSupport {
    bool groups = false;  // processes can be told apart, and killed as one
    bool memory = false;
    bool cpu = false;
    bool processes = false;
    std::string where;  // the directory that holds them; of several the first
    std::string why;    // one of the three is missing, and why
    std::string cure;

    bool complete() const { return memory && cpu && processes; }
};

// A hierarchy that we have groups in, and what can be bounded there.
struct GroupTree {
    std::string parent;  // the directory that holds them
    bool unified = false;
    bool memory = false;
    bool cpu = false;
    bool processes = false;
};

struct GroupPlace {
    std::string owner;  // tells the groups of one daemon from those of others: its state directory
    // Below each hierarchy's mount, as "/system.slice/belay-groups.service"; empty: below the group
    // that we are in.
    std::string base;
};

// In whatever hierarchies there are: version 2 with its controllers, version 1 for the controllers
// that version 2 lacks, or version 2 alone without limits [kernel:
// Documentation/admin-guide/cgroup-v2.rst].
class Cgroups {
  public:
    // Makes `belay-HASH` in each hierarchy. Where version 2 has us in the group whose controllers
    // have to be enabled, which then may hold no process, and we are alone there, we move on into a
    // group beside. Never fails: support() says what there is.
    static Cgroups open(const GroupPlace& place);
    // What open() would find; leaves nothing behind.
    static GroupSupport examine(const GroupPlace& place);

    Cgroups() = default;  // none
    const GroupSupport& support() const { return support_; }

    // A new group called `name` or, where that is taken by something that lives, `name`~2 and so
    // on. Limits that support() does not have are left out.
    Result<Cgroup> make(std::string_view name, const GroupLimits& limits) const;
    // Groups whose names begin so, by name.
    std::vector<std::pair<std::string, Cgroup>> existing(std::string_view prefix) const;

    // Takes away what open() made, as far as no group is left in it.
    void close() const;

  private:
    Result<Cgroup> make_exactly(const std::string& name, const GroupLimits& limits) const;

    std::vector<GroupTree> trees_;
    GroupSupport support_;
};

// KILL to what is left in it, and away with it. Errc::conflict: something survives that for two
// seconds.
Task<Result<void>> end_group(async::Timers& timers, Cgroup group);

// A limit as its file wants it: cores → "150000 100000".
std::string cpu_quota(double cores);

}  // namespace belay::sys
