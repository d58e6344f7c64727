#include "cgroup_file.hpp"
#include "hierarchies.hpp"

#include <belay/sys/cgroups.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
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
constexpr std::array<std::string_view, 3> kControllers{"memory", "cpu", "pids"};

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
    std::string text = " ";
    if (std::FILE* opened = std::fopen(file.c_str(), "re"); opened != nullptr) {
        std::array<char, 1024> buffer{};
        text.append(buffer.data(), std::fread(buffer.data(), 1, buffer.size(), opened));
        std::fclose(opened);
    }
    for (auto& character : text)
        if (character == '\n') character = ' ';
    return text.find(" " + std::string(word) + " ") != text.npos;
}

// Lets groups below have the controller. Success where they have it already.
Result<void> enable(const std::string& directory, std::string_view controller,
                    std::vector<std::pair<std::string, std::string>>& enabled) {
    const auto file = directory + "/cgroup.subtree_control";
    if (lists(file, controller)) return {};
    auto written = write_control(file, "+" + std::string(controller));
    if (written) enabled.emplace_back(file, controller);
    return written;
}

bool alone_in(const std::string& directory) {
    auto pids = read_processes(directory);
    return pids == std::vector<pid_t>{::getpid()};
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

const Obstacle kNoGroups{"no control groups are mounted here",
                         "mount /sys/fs/cgroup, as every init does"};

Obstacle no_controller(std::string_view controller, std::string_view where) {
    return {fmt::format("the control groups in {} have no {} controller", where, controller),
            fmt::format("boot with cgroup_enable={} in the kernel's command line, or leave this "
                        "container",
                        controller)};
}

}  // namespace

std::string cpu_quota(double cores) {
    auto quota = std::max<long>(std::lround(cores * kPeriod), kSmallestQuota);
    return fmt::format("{} {}", quota, kPeriod);
}

Cgroups Cgroups::open(const GroupPlace& place) {
    Cgroups groups;
    groups.find(place, true);
    return groups;
}

GroupSupport Cgroups::examine(const GroupPlace& place) {
    Cgroups groups;
    // Of its own, or it would take the daemon's away.
    auto enabled = groups.find({fmt::format("{} {}", place.owner, ::getpid()), place.base}, false);
    groups.close();
    for (const auto& [file, controller] : enabled)
        static_cast<void>(write_control(file, "-" + controller).has_value());
    return groups.support_;
}

Cgroups::Enabled Cgroups::find(const GroupPlace& place, bool to_stay) {
    Enabled enabled_by_us;
    const auto name = parent_name(place.owner);
    std::map<std::string_view, Obstacle> obstacles;
    Obstacle any = kNoGroups;
    for (const auto& hierarchy : hierarchies()) {
        const bool wanted = hierarchy.unified || hierarchy.has("memory") || hierarchy.has("cpu") ||
                            hierarchy.has("pids");
        if (!wanted) continue;
        auto base = hierarchy.mount + (place.base.empty() ? hierarchy.own : place.base);
        // Begun anew by execve(2) from the group that we moved into.
        if (place.base.empty() && base.ends_with("/" + name + kLeaf)) base.resize(base.rfind('/'));
        Tree tree{base + "/" + name, hierarchy.unified, false, false, false};
        if (::mkdir(tree.parent.c_str(), 0755) != 0 && errno != EEXIST) {
            any = !place.base.empty() && errno == ENOENT
                      ? Obstacle{fmt::format("there is no {}", base),
                                 fmt::format("systemctl start {}",
                                             fs::path(place.base).filename().string())}
                      : not_writable(base, errno);
            for (auto controller : kControllers)
                if (hierarchy.has(controller) || hierarchy.unified) obstacles[controller] = any;
            continue;
        }
        if (::access(tree.parent.c_str(), W_OK) != 0) {
            any = not_writable(tree.parent, errno);
            continue;
        }
        auto usable = [&](std::string_view controller) {
            if (!hierarchy.unified) return hierarchy.has(controller);
            if (!lists(base + "/cgroup.controllers", controller)) {
                if (!obstacles.contains(controller))
                    obstacles[controller] = no_controller(controller, hierarchy.mount);
                return false;
            }
            auto enabled = enable(base, controller, enabled_by_us);
            if (!enabled && to_stay && place.base.empty() && alone_in(base) &&
                move_into(tree.parent + kLeaf))
                enabled = enable(base, controller, enabled_by_us);
            if (enabled) enabled = enable(tree.parent, controller, enabled_by_us);
            if (!enabled) obstacles[controller] = occupied(base);
            return enabled.has_value();
        };
        tree.memory = usable("memory");
        tree.cpu = usable("cpu");
        tree.processes = usable("pids");
        support_.memory = support_.memory || tree.memory;
        support_.cpu = support_.cpu || tree.cpu;
        support_.processes = support_.processes || tree.processes;
        trees_.push_back(std::move(tree));
    }
    support_.groups = !trees_.empty();
    if (support_.groups) support_.where = trees_.front().parent;
    auto tell = [&](std::string_view controller, bool has) {
        if (has || !support_.why.empty()) return;
        auto found = obstacles.find(controller);
        const auto& obstacle = found != obstacles.end() ? found->second
                               : trees_.empty()         ? any
                                                : no_controller(controller, trees_.front().parent);
        support_.why = obstacle.why;
        support_.cure = obstacle.cure;
    };
    tell("memory", support_.memory);
    tell("cpu", support_.cpu);
    tell("pids", support_.processes);
    return enabled_by_us;
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
