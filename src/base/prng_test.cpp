// SPDX-License-Identifier: MIT
#include "base/prng.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace repartir::base {
namespace {

TEST(Prng, OneSeedGivesOneSequence) {
    Prng a(42);
    Prng b(42);
    Prng c(43);
    bool differs = false;
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t value = a.next();
        EXPECT_EQ(value, b.next());
        differs = differs || value != c.next();
    }
    EXPECT_TRUE(differs);
}

TEST(Prng, BelowStaysBelowAndReachesBothEnds) {
    Prng generator(7);
    std::uint64_t low = 10;
    std::uint64_t high = 0;
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t value = generator.below(10);
        ASSERT_LT(value, 10U);
        low = std::min(low, value);
        high = std::max(high, value);
    }
    EXPECT_EQ(low, 0U);
    EXPECT_EQ(high, 9U);
    EXPECT_EQ(generator.below(0), 0U);
    EXPECT_LT(generator.below(std::uint64_t{1} << 40U), std::uint64_t{1} << 40U);
}

TEST(Prng, SeedsDiffer) { EXPECT_NE(random_seed(), random_seed()); }

}  // namespace
}  // namespace repartir::base
