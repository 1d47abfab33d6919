// SPDX-License-Identifier: MIT
#include "sched/victims.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace repartir::sched {
namespace {

/// Two sockets with two nodes each; a node has two L3 groups of two cores with two threads each.
Topology two_sockets() {
    Topology topology;
    for (std::uint32_t i = 0; i < 32; ++i) {
        topology.cpus.push_back(
            {.number = i, .core = i / 2, .l3 = i / 4, .numa_node = i / 8, .package = i / 16});
    }
    return topology;
}

TEST(VictimsTest, NearestFirstOnTwoSocketsWithSmt) {
    const std::vector<Tier> tiers = victim_order(two_sockets(), 32, 9);
    ASSERT_EQ(tiers.size(), 5U);
    EXPECT_EQ(tiers[0], (Tier{8}));
    EXPECT_EQ(tiers[1], (Tier{10, 11}));
    EXPECT_EQ(tiers[2], (Tier{12, 13, 14, 15}));
    EXPECT_EQ(tiers[3], (Tier{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(tiers[4].size(), 16U);
    EXPECT_EQ(tiers[4].front(), 16U);
}

TEST(VictimsTest, EveryOtherWorkerIsInExactlyOneTier) {
    for (const std::uint32_t workers : {1U, 2U, 7U, 32U, 45U}) {
        for (std::uint32_t worker = 0; worker < workers; ++worker) {
            std::vector<std::uint32_t> all;
            for (const Tier& tier : victim_order(two_sockets(), workers, worker)) {
                EXPECT_FALSE(tier.empty());
                all.insert(all.end(), tier.begin(), tier.end());
            }
            std::sort(all.begin(), all.end());
            std::vector<std::uint32_t> expected;
            for (std::uint32_t other = 0; other < workers; ++other) {
                if (other != worker) {
                    expected.push_back(other);
                }
            }
            EXPECT_EQ(all, expected);
        }
    }
}

TEST(VictimsTest, WithoutATopologyAllAreEqual) {
    const std::vector<Tier> tiers = victim_order({}, 4, 2);
    ASSERT_EQ(tiers.size(), 1U);
    EXPECT_EQ(tiers[0], (Tier{0, 1, 3}));
    EXPECT_TRUE(victim_order({}, 1, 0).empty());
}

}  // namespace
}  // namespace repartir::sched
