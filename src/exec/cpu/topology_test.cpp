// SPDX-License-Identifier: MIT
#include "exec/cpu/topology.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace repartir::exec {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A folder with files at given paths, gone when the test ends.
class FakeRoot {
  public:
    FakeRoot() {
        char name[] = "/tmp/repartir-topology-test-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    FakeRoot(const FakeRoot&) = delete;
    FakeRoot& operator=(const FakeRoot&) = delete;
    ~FakeRoot() { std::filesystem::remove_all(path_); }
    void write(const std::string& file, const std::string& content) const {
        const std::filesystem::path full = path_ + file;
        std::filesystem::create_directories(full.parent_path());
        std::ofstream(full) << content;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

template <class Member>
std::set<std::uint32_t> distinct(const Topology& topology, Member member) {
    std::set<std::uint32_t> values;
    for (const Cpu& cpu : topology.cpus) {
        values.insert(cpu.*member);
    }
    return values;
}

TEST(Topology, ReadsPackagesCoresCachesAndThreads) {
    const Topology machine = synthetic_topology("pack:2 l3:2 core:4 pu:2");
    ASSERT_EQ(machine.cpus.size(), 32U);
    EXPECT_EQ(distinct(machine, &Cpu::package).size(), 2U);
    EXPECT_EQ(distinct(machine, &Cpu::l3).size(), 4U);
    EXPECT_EQ(distinct(machine, &Cpu::core).size(), 16U);
    EXPECT_EQ(machine.cpus[0].core, machine.cpus[1].core) << "two threads of one core";
    EXPECT_NE(machine.cpus[1].core, machine.cpus[2].core);
    for (std::uint32_t i = 0; i < 32; ++i) {
        EXPECT_EQ(machine.cpus[i].number, i);
    }
}

TEST(Topology, ReadsNumaNodes) {
    const Topology machine = synthetic_topology("pack:2 [numa] l3:1 core:2 pu:1");
    ASSERT_EQ(machine.cpus.size(), 4U);
    EXPECT_EQ(machine.cpus[0].numa_node, 0U);
    EXPECT_EQ(machine.cpus[3].numa_node, 1U);
    EXPECT_EQ(distinct(machine, &Cpu::numa_node).size(), 2U);
}

TEST(Topology, AMachineWithoutCachesIsOneGroup) {
    const Topology machine = synthetic_topology("pack:1 core:3 pu:1");
    ASSERT_EQ(machine.cpus.size(), 3U);
    EXPECT_THAT(distinct(machine, &Cpu::l3), ElementsAre(0U));
}

TEST(Topology, NonsenseIsAnEmptyTopology) {
    EXPECT_THAT(synthetic_topology("nonsense of a machine").cpus, IsEmpty());
}

TEST(Topology, ThisMachineHasTheCpusOfTheAffinityMask) {
    ::cpu_set_t before;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    const Topology all = usable_cpus();
    EXPECT_EQ(all.cpus.size(), static_cast<std::size_t>(CPU_COUNT(&before)));
    ::cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(all.cpus.back().number, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    const Topology bound = usable_cpus();
    ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
    ASSERT_EQ(bound.cpus.size(), 1U);
    EXPECT_EQ(bound.cpus[0].number, all.cpus.back().number);
}

TEST(CgroupFiles, ReadsMounts) {
    const auto mounts = parse_cgroup_mounts(
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "35 31 0:32 /docker/ab /sys/fs/cgroup/memory rw shared:7 - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cg\\040two rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "broken line\n"
        "1 2 - cgroup2\n");
    ASSERT_EQ(mounts.size(), 2U);
    EXPECT_EQ(mounts[0], (CgroupMount{1, "/docker/ab", "/sys/fs/cgroup/memory", {"rw", "memory"}}));
    EXPECT_EQ(mounts[1], (CgroupMount{2, "/", "/sys/fs/cg two", {}}));
}

TEST(CgroupFiles, ReadsMemberships) {
    const auto groups = parse_cgroup_memberships(
        "9:name=systemd:/\n4:cpu,cpuacct:/a/b\n0::/user.slice\nbad\n3:x\n");
    ASSERT_EQ(groups.size(), 3U);
    EXPECT_EQ(groups[0], (CgroupMembership{1, {"name=systemd"}, "/"}));
    EXPECT_EQ(groups[1], (CgroupMembership{1, {"cpu", "cpuacct"}, "/a/b"}));
    EXPECT_EQ(groups[2], (CgroupMembership{2, {}, "/user.slice"}));
}

TEST(CgroupFiles, WalksFromOurGroupToTheMount) {
    const std::vector<CgroupMount> mounts{{1, "/", "/cg/memory", {"memory"}},
                                          {2, "/", "/cg/two", {}}};
    const std::vector<CgroupMembership> groups{{1, {"memory"}, "/a/b"}, {2, {}, "/"}};
    EXPECT_THAT(cgroup_ancestry(mounts, groups, 1, "memory"),
                ElementsAre("/cg/memory/a/b", "/cg/memory/a", "/cg/memory"));
    EXPECT_THAT(cgroup_ancestry(mounts, groups, 2, ""), ElementsAre("/cg/two"));
    EXPECT_THAT(cgroup_ancestry(mounts, groups, 1, "cpu"), IsEmpty());
}

TEST(CgroupFiles, TakesTheMountsRootOffOurPathInAContainer) {
    const std::vector<CgroupMount> mounts{{1, "/docker/ab", "/cg/memory", {"memory"}}};
    EXPECT_THAT(cgroup_ancestry(mounts, {{1, {"memory"}, "/docker/ab/x"}}, 1, "memory"),
                ElementsAre("/cg/memory/x", "/cg/memory"));
    EXPECT_THAT(cgroup_ancestry(mounts, {{1, {"memory"}, "/docker/abc"}}, 1, "memory"),
                ElementsAre("/cg/memory/docker/abc", "/cg/memory/docker", "/cg/memory"));
}

TEST(CgroupFiles, ReadsCpuMax) {
    EXPECT_EQ(parse_cpu_max("max 100000\n"), 0U);
    EXPECT_EQ(parse_cpu_max("150000 100000\n"), 150U);
    EXPECT_EQ(parse_cpu_max("400000 100000"), 400U);
    EXPECT_EQ(parse_cpu_max("1 1000000"), 1U) << "less than a hundredth is still a quota";
    EXPECT_EQ(parse_cpu_max("100 0"), 0U);
    EXPECT_EQ(parse_cpu_max(""), 0U);
    EXPECT_EQ(parse_cpu_max("lots of text"), 0U);
    EXPECT_EQ(parse_cpu_max("18446744073709551615 1"), 0U);
}

TEST(CgroupFiles, ReadsCfsQuota) {
    EXPECT_EQ(parse_cfs_quota("-1\n", "100000\n"), 0U);
    EXPECT_EQ(parse_cfs_quota("50000\n", "100000\n"), 50U);
    EXPECT_EQ(parse_cfs_quota("", ""), 0U);
}

TEST(CgroupFiles, ReadsMemoryLimits) {
    EXPECT_EQ(parse_memory_limit("max\n"), std::nullopt);
    EXPECT_EQ(parse_memory_limit("9223372036854771712\n"), std::nullopt);
    EXPECT_EQ(parse_memory_limit("1048576\n"), 1048576U);
    EXPECT_EQ(parse_memory_limit(""), std::nullopt);
}

TEST(CgroupGrant, IsTheSmallestAlongThePathOfBothVersions) {
    const FakeRoot root;
    root.write("/proc/self/mountinfo",
               "1 0 0:1 / /cg/two rw - cgroup2 cgroup2 rw\n"
               "2 0 0:2 / /cg/memory rw - cgroup cgroup rw,memory\n");
    root.write("/proc/self/cgroup", "2:memory:/job\n0::/slice/unit\n");
    root.write("/cg/two/slice/unit/cpu.max", "max 100000\n");
    root.write("/cg/two/slice/cpu.max", "250000 100000\n");
    root.write("/cg/two/slice/memory.max", "4096000\n");
    root.write("/cg/memory/job/memory.limit_in_bytes", "2048000\n");
    root.write("/cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(cgroup_grant(root.path()), (CgroupGrant{250, 2048000}));
}

TEST(CgroupGrant, ReadsTheQuotaOfVersionOne) {
    const FakeRoot root;
    root.write("/proc/self/mountinfo", "2 0 0:2 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
    root.write("/proc/self/cgroup", "2:cpu,cpuacct:/\n");
    root.write("/cg/cpu/cpu.cfs_quota_us", "150000\n");
    root.write("/cg/cpu/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(cgroup_grant(root.path()), (CgroupGrant{150, std::nullopt}));
    Topology two;
    two.cpus = {Cpu{.number = 0}, Cpu{.number = 1}, Cpu{.number = 2}};
    two.quota_centi_cpus = 150;
    EXPECT_EQ(two.default_workers(), 2U);
}

TEST(CgroupGrant, WithoutCgroupsThereIsNone) {
    const FakeRoot root;
    EXPECT_EQ(cgroup_grant(root.path()), CgroupGrant{});
}

TEST(MachineMemory, IsKnownHere) { EXPECT_GT(machine_memory(), 1U << 20U); }

}  // namespace
}  // namespace repartir::exec
