// SPDX-License-Identifier: MIT
#include "client/leases.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "base/prng.hpp"

namespace repartir::client {
namespace {

void expect_as(const std::map<std::uint64_t, int*>& model, const Leases<int>& leases,
               std::uint64_t asked, std::uint64_t seed) {
    ASSERT_EQ(leases.size(), model.size()) << seed;
    ASSERT_EQ(leases.empty(), model.empty()) << seed;
    const auto found = model.find(asked);
    ASSERT_EQ(leases.find(asked), found != model.end() ? found->second : nullptr) << seed;
    const std::vector<Leases<int>::Item> after(leases.after(asked).begin(),
                                               leases.after(asked).end());
    const std::vector<Leases<int>::Item> wanted(model.upper_bound(asked), model.end());
    ASSERT_EQ(after, wanted) << seed;
}

TEST(LeasesTest, TheyAreAMapByLease) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        base::Prng random(seed);
        std::vector<int> entries(300);
        Leases<int> leases;
        std::map<std::uint64_t, int*> model;
        for (std::uint64_t lease = 1; lease < entries.size(); ++lease) {
            leases.add(lease, entries[lease]);
            model.emplace(lease, &entries[lease]);
            const auto some = model.lower_bound(random.below(lease + 1));
            if (some != model.end() && random.below(5) != 0) {
                leases.remove(some->first);
                model.erase(some);
            }
            ASSERT_NO_FATAL_FAILURE(expect_as(model, leases, random.below(lease + 2), seed));
        }
    }
}

TEST(LeasesTest, WhatIsGoneTakesNoRoomForLong) {
    int entry = 0;
    Leases<int> leases;
    for (std::uint64_t lease = 1; lease <= 100'000; ++lease) {
        leases.add(lease, entry);
        if (lease > 100) {
            leases.remove(lease - 100);
        }
    }
    EXPECT_EQ(leases.size(), 100U);
    EXPECT_LE(leases.capacity(), 256U);
}

}  // namespace
}  // namespace repartir::client
