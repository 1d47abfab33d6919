// SPDX-License-Identifier: MIT
#include "exec/cpu/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace repartir::exec {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(MachineFacts, ReadsMeminfo) {
    const std::string text = "MemTotal:       24683240 kB\nMemFree:  100 kB\nMemAvailable: 7 kB\n";
    EXPECT_EQ(parse_meminfo(text, "MemTotal").value(), 24683240ULL * 1024);
    EXPECT_EQ(parse_meminfo(text, "MemAvailable").value(), 7ULL * 1024);
    EXPECT_THAT(parse_meminfo(text, "Available").error(), HasSubstr("no Available"));
    EXPECT_THAT(parse_meminfo("MemTotal: x kB\n", "MemTotal").error(), HasSubstr("no number"));
    EXPECT_FALSE(parse_meminfo("", "MemTotal").has_value());
    EXPECT_FALSE(parse_meminfo("MemTotal:", "MemTotal").has_value());
}

TEST(MachineFacts, CountsCachesAndNodes) {
    const SyntheticFacts facts = synthetic_facts(
        "pack:2 [numa(memory=1073741824)] l3:1(size=8388608) l2:4(size=1048576) "
        "core:1 pu:2");
    EXPECT_EQ(facts.packages, 2U);
    EXPECT_EQ(facts.cores, 8U);
    EXPECT_EQ(facts.threads, 16U);
    EXPECT_THAT(facts.caches, Contains(CacheFacts{3, "unified", 8388608, 2}));
    EXPECT_THAT(facts.caches, Contains(CacheFacts{2, "unified", 1048576, 8}));
    ASSERT_THAT(facts.numa_nodes, SizeIs(2));
    EXPECT_EQ(facts.numa_nodes[1].number, 1U);
    EXPECT_EQ(facts.numa_nodes[1].memory_bytes, 1073741824U);
    EXPECT_THAT(facts.numa_nodes[1].cpus, ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
}

TEST(MachineFacts, NonsenseHasNoFacts) { EXPECT_EQ(synthetic_facts("no machine").threads, 0U); }

TEST(MachineFacts, KnowsThisMachine) {
    const MachineFacts facts = machine_facts();
    EXPECT_THAT(facts.host, Not(IsEmpty()));
    EXPECT_THAT(facts.kernel, HasSubstr("Linux"));
    EXPECT_GE(facts.threads, facts.cores);
    EXPECT_GE(facts.cores, 1U);
    EXPECT_THAT(facts.usable.cpus, Not(IsEmpty()));
    ASSERT_TRUE(facts.memory_total.has_value());
    EXPECT_GT(*facts.memory_total, *facts.memory_available);
    EXPECT_THAT(facts.cgroup_layout, ::testing::AnyOf("none", "v1", "v2", "hybrid"));
    EXPECT_THAT(facts.features, SizeIs(8));
}

TEST(MachineFacts, AFeatureThatIsMissingSaysWhy) {
    for (const FeatureFacts& feature : machine_facts().features) {
        EXPECT_TRUE(feature.works || !feature.detail.empty()) << feature.name;
    }
}

}  // namespace
}  // namespace repartir::exec
