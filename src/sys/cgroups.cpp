#include "cgroup_file.hpp"
#include "hierarchies.hpp"

#include <belay/sys/cgroups.hpp>
#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::sys {

namespace fs = std::filesystem;

namespace {

constexpr int kPeriod = 100'000;       // µs; the kernel's own default
constexpr int kSmallestQuota = 1'000;  // µs; the kernel refuses less
constexpr int kMostOfAName = 50;
constexpr Millis kPause{20};
constexpr int kTries = 100;
constexpr const char* kLeaf = ".daemon";

// FNV-1a, as a path is too long for a directory's name and not free of '/'.
std::string parent_name(std::string_view owner) {
    std::uint32_t hash = 2'166'136'261u;
    for (char byte : owner) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 16'777'619u;
    }
    return fmt::format("belay-{:08x}", hash);
}

bool lists(const std::string& file, std::string_view word) {
    auto content = read_file(file);
    if (!content) return false;
    auto text = " " + *content + " ";
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text.find(" " + std::string(word) + " ") != text.npos;
}

bool alone_in(const std::string& directory) {
    return read_processes(directory) == std::vector<pid_t>{::getpid()};
}

// A group that holds groups with controllers may hold no process itself: into one beside them.
Result<void> move_into(const std::string& leaf) {
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST)
        return errno_error(errno, "making " + leaf);
    return write_control(leaf + "/cgroup.procs", "0");
}

struct Obstacle {
    std::string why;
    std::string cure;
};

Obstacle not_writable(const std::string& directory, int error) {
    Obstacle found{fmt::format("{} can't be written ({})", directory, std::strerror(error)), ""};
    if (error == EROFS)
        found.cure = "mount /sys/fs/cgroup writable in this container";
    else if (::geteuid() != 0)
        found.cure =
            "run belay as root, or in a group of its own that systemd delegates: systemd-run "
            "--user --scope -p Delegate=yes belay serve";
    else
        found.cure = "let this container have control groups of its own";
    return found;
}

Obstacle occupied(const std::string& directory) {
    return {fmt::format("other processes live in {}, and so the groups below it get no controllers",
                        directory),
            "start belay in a group of its own: systemctl start belay, or systemd-run --scope -p "
            "Delegate=yes belay serve"};
}

Obstacle not_there(const std::string& base) {
    return {fmt::format("there is no {}", base),
            fmt::format("systemctl start {}", fs::path(base).filename().string())};
}

const Obstacle kNoGroups{"no control groups are mounted here",
                         "mount /sys/fs/cgroup, as every init does"};

Obstacle no_controller(std::string_view controller, std::string_view where) {
    return {fmt::format("the control groups in {} have no {} controller", where, controller),
            fmt::format("boot with cgroup_enable={} in the kernel's command line, or leave this "
                        "container",
                        controller)};
}

// Looks at what the machine has, and makes a directory of ours in each hierarchy of use.
class Search {
  public:
    // `to_stay`: we are the daemon, and may leave the group that we are in for one beside.
    Search(GroupPlace place, bool to_stay)
        : place_(std::move(place)), to_stay_(to_stay), name_(parent_name(place_.owner)) {
        for (const auto& hierarchy : hierarchies())
            if (hierarchy.unified || hierarchy.has("memory") || hierarchy.has("cpu") ||
                hierarchy.has("pids"))
                look(hierarchy);
    }

    const std::vector<GroupTree>& trees() const { return trees_; }

    GroupSupport support() const {
        GroupSupport support;
        support.groups = !trees_.empty();
        if (support.groups) support.where = trees_.front().parent;
        for (const auto& tree : trees_) {
            support.memory = support.memory || tree.memory;
            support.cpu = support.cpu || tree.cpu;
            support.processes = support.processes || tree.processes;
        }
        const std::pair<const char*, bool> all[] = {
            {"memory", support.memory}, {"cpu", support.cpu}, {"pids", support.processes}};
        for (auto [controller, has] : all) {
            if (has) continue;
            auto found = obstacles_.find(controller);
            const auto obstacle = found != obstacles_.end() ? found->second
                                  : trees_.empty()          ? any_
                                                   : no_controller(controller, support.where);
            support.why = obstacle.why;
            support.cure = obstacle.cure;
            break;
        }
        return support;
    }

    // Takes back what was enabled above our own directories, once those are gone.
    void undo() const {
        for (const auto& [file, controller] : enabled_)
            static_cast<void>(write_control(file, "-" + controller).has_value());
    }

  private:
    void look(const Hierarchy& hierarchy) {
        auto base = hierarchy.mount + (place_.base.empty() ? hierarchy.own : place_.base);
        // Begun anew by execve(2) from the group that we moved into.
        if (place_.base.empty() && base.ends_with("/" + name_ + kLeaf))
            base.resize(base.rfind('/'));
        // systemd takes away what is empty, though its unit is active.
        if (!place_.base.empty() && to_stay_) ::mkdir(base.c_str(), 0755);
        GroupTree tree{base + "/" + name_, hierarchy.unified, false, false, false};
        const bool made = ::mkdir(tree.parent.c_str(), 0755) == 0 || errno == EEXIST;
        if (!made || ::access(tree.parent.c_str(), W_OK) != 0) {
            any_ = !place_.base.empty() && errno == ENOENT ? not_there(base)
                                                           : not_writable(base, errno);
            for (const char* controller : {"memory", "cpu", "pids"})
                if (hierarchy.unified || hierarchy.has(controller)) obstacles_[controller] = any_;
            return;
        }
        tree.memory = has(hierarchy, base, tree.parent, "memory");
        tree.cpu = has(hierarchy, base, tree.parent, "cpu");
        tree.processes = has(hierarchy, base, tree.parent, "pids");
        trees_.push_back(std::move(tree));
    }

    bool has(const Hierarchy& hierarchy, const std::string& base, const std::string& parent,
             const char* controller) {
        if (!hierarchy.unified) return hierarchy.has(controller);
        if (!lists(base + "/cgroup.controllers", controller)) {
            obstacles_.try_emplace(controller, no_controller(controller, hierarchy.mount));
            return false;
        }
        bool enabled = enable(base, controller);
        if (!enabled && place_.base.empty() && alone_in(base)) {
            if (!to_stay_) return true;  // a daemon would
            if (move_into(parent + kLeaf)) enabled = enable(base, controller);
        }
        if (enabled && enable(parent, controller)) return true;
        obstacles_[controller] = occupied(base);
        return false;
    }

    // Lets groups below have the controller. True where they have it already.
    bool enable(const std::string& directory, const char* controller) {
        const auto file = directory + "/cgroup.subtree_control";
        if (lists(file, controller)) return true;
        if (!write_control(file, std::string("+") + controller)) return false;
        enabled_.emplace_back(file, controller);
        return true;
    }

    GroupPlace place_;
    bool to_stay_;
    std::string name_;
    std::vector<GroupTree> trees_;
    std::map<std::string_view, Obstacle> obstacles_;  // by controller
    Obstacle any_ = kNoGroups;
    std::vector<std::pair<std::string, std::string>> enabled_;  // file, controller
};

}  // namespace

std::string cpu_quota(double cores) {
    auto quota = std::max<long>(std::lround(cores * kPeriod), kSmallestQuota);
    return fmt::format("{} {}", quota, kPeriod);
}

Cgroups Cgroups::open(const GroupPlace& place) {
    const Search search(place, true);
    Cgroups groups;
    groups.trees_ = search.trees();
    groups.support_ = search.support();
    return groups;
}

GroupSupport Cgroups::examine(const GroupPlace& place) {
    // Of its own, or it would take the daemon's away.
    const Search search({fmt::format("{} {}", place.owner, ::getpid()), place.base}, false);
    for (const auto& tree : search.trees())
        ::rmdir(tree.parent.c_str());
    search.undo();
    return search.support();
}

Result<Cgroup> Cgroups::make(std::string_view name, const GroupLimits& limits) const {
    if (trees_.empty()) return Error{Errc::unavailable, support_.why};
    for (int number = 1; number <= kMostOfAName; ++number) {
        auto tried = std::string(name) + (number == 1 ? "" : fmt::format("~{}", number));
        auto made = make_exactly(tried, limits);
        if (made || made.error().code != Errc::conflict) return made;
    }
    return Error{Errc::conflict,
                 fmt::format("{} groups called {} have processes", kMostOfAName, name)};
}

Result<Cgroup> Cgroups::make_exactly(const std::string& name, const GroupLimits& limits) const {
    std::vector<std::string> directories;
    std::vector<std::pair<std::string, std::string>> values;
    for (const auto& tree : trees_) {
        const auto directory = tree.parent + "/" + name;
        const bool memory = tree.memory && limits.memory;
        const bool cpu = tree.cpu && limits.cpu;
        const bool processes = tree.processes && limits.processes;
        // Joining costs a fork up to some milliseconds, so only what counts or limits is joined.
        if (!tree.unified && !tree.memory && !cpu && !processes) continue;
        directories.push_back(directory);
        const auto quota = cpu ? cpu_quota(*limits.cpu) : "";
        if (memory && tree.unified) {
            values.emplace_back(directory + "/memory.max", fmt::to_string(*limits.memory));
            // Missing where the kernel has no swap.
            if (::access((tree.parent + "/memory.swap.max").c_str(), F_OK) == 0)
                values.emplace_back(directory + "/memory.swap.max", "0");
        } else if (memory) {
            values.emplace_back(directory + "/memory.limit_in_bytes",
                                fmt::to_string(*limits.memory));
            if (::access((tree.parent + "/memory.memsw.limit_in_bytes").c_str(), F_OK) == 0)
                values.emplace_back(directory + "/memory.memsw.limit_in_bytes",
                                    fmt::to_string(*limits.memory));
        }
        if (cpu && tree.unified) {
            values.emplace_back(directory + "/cpu.max", quota);
        } else if (cpu) {
            values.emplace_back(directory + "/cpu.cfs_period_us", fmt::to_string(kPeriod));
            values.emplace_back(directory + "/cpu.cfs_quota_us", quota.substr(0, quota.find(' ')));
        }
        if (processes)
            values.emplace_back(directory + "/pids.max", fmt::to_string(*limits.processes));
    }
    Cgroup group(directories);
    // What an earlier one counted would be taken for this one's.
    if (auto removed = group.remove(); !removed) return removed.error();
    for (const auto& directory : directories)
        if (::mkdir(directory.c_str(), 0755) != 0) {
            auto failure = errno_error(errno, "making the control group " + directory);
            static_cast<void>(group.remove().has_value());
            return failure;
        }
    for (const auto& [file, value] : values)
        if (auto written = write_control(file, value); !written) {
            static_cast<void>(group.remove().has_value());
            return written.error();
        }
    return group;
}

void Cgroups::close() const {
    for (const auto& tree : trees_)
        ::rmdir(tree.parent.c_str());
}

std::vector<std::pair<std::string, Cgroup>> Cgroups::existing(std::string_view prefix) const {
    std::map<std::string, std::vector<std::string>> found;
    for (const auto& tree : trees_) {
        std::error_code failure;
        for (fs::directory_iterator at(tree.parent, failure), end; !failure && at != end;
             at.increment(failure))
            if (auto name = at->path().filename().string();
                name.starts_with(prefix) && at->is_directory(failure))
                found[name].push_back(at->path().string());
    }
    std::vector<std::pair<std::string, Cgroup>> all;
    for (auto& [name, directories] : found)
        all.emplace_back(name, Cgroup(std::move(directories)));
    return all;
}

Task<Result<void>> end_group(async::Timers& timers, Cgroup group) {
    if (!group) co_return Result<void>{};
    for (int tries = 1;; ++tries) {
        auto removed = group.remove();
        if (removed || removed.error().code != Errc::conflict || tries == kTries) co_return removed;
        group.kill(1);
        co_await timers.sleep(kPause);
    }
}

}  // namespace belay::sys
