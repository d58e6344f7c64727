#include "support/control_groups.hpp"
#include "support/process_sweep.hpp"
#include "support/test_loop.hpp"

#include <belay/sys/child.hpp>
#include <belay/sys/files.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <set>
#include <signal.h>

namespace belay::sys {
namespace {

using test::eventually;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1 << 20;
// Wants 256 MiB and no more, should nothing stop it.
constexpr const char* kHog = "head -c 268435456 /dev/zero | tail -n 1 > /dev/null";

struct CgroupsTest : ::testing::Test {
    test::ProcessSweep sweep;
    test::TestLoop loop;
    test::ControlGroups groups;

    Cgroup make(const GroupLimits& limits, const std::string& name = "run-it") {
        auto made = groups->make(name, limits);
        EXPECT_TRUE(made) << made.error().message;
        return made ? *made : Cgroup();
    }
    Child start(const std::string& script, const Cgroup& group) {
        ChildSpec spec;
        spec.program.argv = {"sh", "-c", script};
        spec.program.env = {{"PATH", "/usr/bin:/bin"}};
        spec.program.group = group;
        auto child = loop.run(Child::start(loop.executor(), BELAY_SHIM_PATH, std::move(spec)));
        if (!child) throw std::runtime_error(child.error().message);
        auto gone = loop.run(child->go());
        if (!gone) throw std::runtime_error(gone.error().message);
        return std::move(*child);
    }
};

TEST_F(CgroupsTest, TellsWhatTheMachineHasOrWhyItHasNot) {
    const auto& support = groups->support();
    EXPECT_EQ(support.complete(), support.why.empty()) << support.why;
    EXPECT_EQ(support.why.empty(), support.cure.empty()) << support.why;
    if (support.groups)
        EXPECT_TRUE(std::filesystem::is_directory(support.where)) << support.where;
    else
        EXPECT_EQ(groups->make("run-it", {}).error().message, support.why);
}

TEST_F(CgroupsTest, WhatIsExaminedIsWhatThereIsAndLeavesNothing) {
    if (!groups->support().groups) GTEST_SKIP() << groups->support().why;
    auto beside = [&] {
        const auto parent = std::filesystem::path(groups->support().where).parent_path();
        std::set<std::filesystem::path> found;
        for (const auto& entry : std::filesystem::directory_iterator(parent))
            if (entry.is_directory()) found.insert(entry.path());
        return found;
    };
    const auto before = beside();
    auto support = Cgroups::examine({"somebody", ""});
    EXPECT_EQ(support.memory, groups->support().memory);
    EXPECT_EQ(support.cpu, groups->support().cpu);
    EXPECT_EQ(support.processes, groups->support().processes);
    // Other tests come and go there, too; what is left of this one would stay.
    for (const auto& group : beside())
        EXPECT_TRUE(before.contains(group) ||
                    test::eventually([&] { return !std::filesystem::exists(group); }))
            << group;
}

TEST_F(CgroupsTest, ABaseThatIsNotThereIsSaidWithItsCure) {
    auto support = Cgroups::examine({"somebody", "/no.slice/belay-groups.service"});
    EXPECT_FALSE(support.groups);
    if (groups->support().groups) {
        EXPECT_THAT(support.why, HasSubstr("there is no /sys/fs/cgroup"));
        EXPECT_EQ(support.cure, "systemctl start belay-groups.service");
    }
}

TEST_F(CgroupsTest, WhatTakesMoreMemoryThanItsLimitIsKilledAndCountedAndNobodyElse) {
    NEEDS_LIMIT(groups, memory);
    auto small = make({.memory = 48 * kMiB, .cpu = {}, .processes = {}});
    auto large = make({.memory = 512 * kMiB, .cpu = {}, .processes = {}}, "run-other");
    auto other = start(kHog, large);
    auto hog = start(kHog, small);
    auto exit = loop.run(hog.wait());
    EXPECT_EQ(exit.code, 128 + SIGKILL) << describe(exit);
    auto usage = small.usage();
    EXPECT_TRUE(usage.counts_oom);
    EXPECT_GE(usage.oom_kills, 1u);
    EXPECT_EQ(usage.memory_limit, 48 * kMiB);
    EXPECT_GT(usage.peak_memory, 40 * kMiB);
    EXPECT_LE(usage.peak_memory, 49 * kMiB);
    EXPECT_TRUE(loop.run(other.wait()).success()) << "its own limit is larger";
    usage = large.usage();
    EXPECT_EQ(usage.oom_kills, 0u);
    EXPECT_GT(usage.peak_memory, 200 * kMiB);
}

TEST_F(CgroupsTest, WhatWantsMoreCpuThanItsLimitWaits) {
    NEEDS_LIMIT(groups, cpu);
    auto group = make({.memory = {}, .cpu = 0.1, .processes = {}});
    auto child = start("while :; do :; done", group);
    EXPECT_TRUE(eventually([&] { return group.usage().throttled > 3; }));
    child.kill();
    loop.run(child.wait());
}

TEST_F(CgroupsTest, WhatForksMoreThanItsLimitIsRefused) {
    NEEDS_LIMIT(groups, processes);
    auto group = make({.memory = {}, .cpu = {}, .processes = 20});
    auto child = start("n=0; while [ $n -lt 100 ]; do sleep 100 & n=$((n + 1)); done; wait", group);
    EXPECT_TRUE(eventually([&] { return group.usage().refused_forks > 0; }));
    EXPECT_LE(descendants(child.identity().pid).size(), 20u);
    child.kill();
    loop.run(child.wait());
}

TEST_F(CgroupsTest, KillsAllThatIsInItWhereverItHides) {
    if (!groups->support().groups) GTEST_SKIP() << groups->support().why;
    auto group = make({});
    auto child = start("(setsid sh -c '(setsid sleep 100 &) ; sleep 100' &) ; sleep 100", group);
    // Two shells more and three sleeps.
    ASSERT_TRUE(eventually([&] { return descendants(child.identity().pid).size() >= 5; }));
    EXPECT_TRUE(group.has_processes());
    EXPECT_EQ(group.remove().error().code, Errc::conflict);
    EXPECT_TRUE(loop.run(end_group(loop.timers(), group)));
    EXPECT_FALSE(std::filesystem::exists(group.directories().front()));
    EXPECT_TRUE(group.remove()) << "once more is fine";
    loop.run(child.wait());
}

TEST_F(CgroupsTest, ANameThatLivesIsNotTakenTwiceAndAnEmptyOneIsMadeAnew) {
    NEEDS_LIMIT(groups, memory);
    auto first = make({.memory = 48 * kMiB, .cpu = {}, .processes = {}});
    loop.run(start(kHog, first).wait());
    ASSERT_GE(first.usage().oom_kills, 1u);
    auto second = make({});
    EXPECT_EQ(second.usage().oom_kills, 0u) << "what the one before counted is not its own";
    EXPECT_EQ(second.usage().memory_limit, 0u);
    auto child = start("exec sleep 100", second);
    auto third = make({});
    EXPECT_NE(third.directories(), second.directories());
    EXPECT_TRUE(second.has_processes());
    EXPECT_EQ(groups->existing("run-it").size(), 2u);
    EXPECT_TRUE(groups->existing("stage-").empty());
    child.kill();
    loop.run(child.wait());
}

}  // namespace
}  // namespace belay::sys
