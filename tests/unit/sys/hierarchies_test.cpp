#include <belay/sys/cgroups.hpp>

#include <gtest/gtest.h>

#include <sys/hierarchies.hpp>

namespace belay::sys {
namespace {

TEST(Hierarchies, AreReadOfAPureVersion2) {
    auto found = parse_hierarchies(
        "24 1 0:5 / /sys rw - sysfs sysfs rw\n"
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        "0::/system.slice/belay.service\n");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_TRUE(found[0].unified);
    EXPECT_EQ(found[0].mount, "/sys/fs/cgroup");
    EXPECT_EQ(found[0].own, "/system.slice/belay.service");
}

TEST(Hierarchies, AreReadOfBothVersionsAndOfControllersThatShareOne) {
    auto found = parse_hierarchies(
        "31 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "34 30 0:29 / /mnt/again rw - cgroup cgroup rw,memory\n"
        "35 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "12:name=systemd:/user.slice\n4:cpu,cpuacct:/a:b\n3:memory:/\n0::/user.slice\n");
    ASSERT_EQ(found.size(), 3u);
    EXPECT_TRUE(found[0].has("cpu"));
    EXPECT_TRUE(found[0].has("cpuacct"));
    EXPECT_EQ(found[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
    EXPECT_EQ(found[0].own, "/a:b");
    EXPECT_TRUE(found[1].has("memory"));
    EXPECT_EQ(found[1].mount, "/sys/fs/cgroup/memory");
    EXPECT_EQ(found[1].own, "");
    EXPECT_TRUE(found[2].unified);
}

TEST(Hierarchies, AreThoseThatReachOurGroup) {
    // As in a container that sees its own part alone, and one that sees another's.
    auto found = parse_hierarchies(
        "33 30 0:29 /docker/1a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "34 30 0:31 /docker/2b /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
        "35 30 0:32 / /with\\040space rw - cgroup2 cgroup2 rw\n",
        "3:memory:/docker/1a/below\n2:pids:/docker/1a\n0::/x\n");
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].own, "/below");
    EXPECT_EQ(found[1].mount, "/with space");
}

TEST(Hierarchies, AreNoneWhereNothingIsMounted) {
    EXPECT_TRUE(parse_hierarchies("24 1 0:5 / /sys rw - sysfs sysfs rw\n", "0::/\n").empty());
    EXPECT_TRUE(parse_hierarchies("", "").empty());
    EXPECT_TRUE(parse_hierarchies("x\n\n1 2 -\n- cgroup2 a b\n", "0:\n::\n").empty());
}

TEST(Hierarchies, TakeCoresAsAShareOfAPeriod) {
    EXPECT_EQ(cpu_quota(1.5), "150000 100000");
    EXPECT_EQ(cpu_quota(0.25), "25000 100000");
    EXPECT_EQ(cpu_quota(0.001), "1000 100000") << "the kernel refuses less";
}

}  // namespace
}  // namespace belay::sys
