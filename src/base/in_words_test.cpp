// SPDX-License-Identifier: MIT
#include "base/in_words.hpp"

#include <gtest/gtest.h>

namespace repartir::base {
namespace {

using namespace std::chrono_literals;

TEST(InWords, ThreeDigitsAndAUnit) {
    EXPECT_EQ(in_words(0ns), "0 ms");
    EXPECT_EQ(in_words(-5s), "0 ms");
    EXPECT_EQ(in_words(740ns), "740 ns");
    EXPECT_EQ(in_words(1us), "1.00 us");
    EXPECT_EQ(in_words(12'345ns), "12.3 us");
    EXPECT_EQ(in_words(1'250'999ns), "1.25 ms");
    EXPECT_EQ(in_words(999'999'999ns), "999 ms");
    EXPECT_EQ(in_words(61s), "61.0 s");
    EXPECT_EQ(in_words(1005ms), "1.00 s");
    EXPECT_EQ(in_words(1h), "3600 s");
    EXPECT_EQ(in_words(std::chrono::nanoseconds::max()), "9223372036 s");
}

}  // namespace
}  // namespace repartir::base
