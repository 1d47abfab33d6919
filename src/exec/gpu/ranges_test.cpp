// SPDX-License-Identifier: MIT
#include "exec/gpu/ranges.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

namespace repartir::gpu {
namespace {

TEST(Ranges, GivesTheSmallestPartThatFits) {
    Ranges ranges(100);
    EXPECT_EQ(ranges.take(40, 1), 0U);
    EXPECT_EQ(ranges.take(10, 1), 40U);
    EXPECT_EQ(ranges.take(20, 1), 50U);
    ranges.give(0, 40);
    ranges.give(50, 20);  // beside the free end: 50 to 100
    EXPECT_EQ(ranges.take(40, 1), 0U);
    EXPECT_EQ(ranges.take(51, 1), std::nullopt);
    EXPECT_EQ(ranges.free_bytes(), 50U);
    EXPECT_FALSE(ranges.unused());
}

TEST(Ranges, AlignsWithoutLosingWhatIsBefore) {
    Ranges ranges(64);
    EXPECT_EQ(ranges.take(3, 1), 0U);
    EXPECT_EQ(ranges.take(8, 16), 16U);
    EXPECT_EQ(ranges.take(13, 1), 3U);
    EXPECT_EQ(ranges.take(48, 16), std::nullopt);
}

}  // namespace
}  // namespace repartir::gpu
