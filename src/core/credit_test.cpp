// SPDX-License-Identifier: MIT
#include "core/credit.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "base/prng.hpp"

namespace repartir::core {
namespace {

using namespace std::chrono_literals;

TEST(CreditTest, NoMoreIsTakenThanWasGranted) {
    Allowance allowance(3);
    EXPECT_EQ(allowance.take(2), 2U);
    EXPECT_EQ(allowance.take(2), 1U);
    EXPECT_EQ(allowance.take(1), 0U);
    EXPECT_EQ(allowance.left(), 0U);
    allowance.grant(5);
    EXPECT_EQ(allowance.take(5), 5U);
}

TEST(CreditTest, AGrantWithoutMeasureDoesNotWrapAround) {
    Allowance allowance(3);
    allowance.grant(std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(allowance.left(), std::numeric_limits<std::uint64_t>::max());
}

TEST(CreditTest, WhoSendsWithoutCreditIsFound) {
    Grantor grantor(10);
    EXPECT_FALSE(grantor.arrived(1));
    EXPECT_EQ(grantor.due(), 10U);
    EXPECT_TRUE(grantor.arrived(10));
    EXPECT_FALSE(grantor.arrived(1));
    grantor.freed(100);  // more than there is
    EXPECT_EQ(grantor.held(), 0U);
}

TEST(CreditTest, SmallGrantsWaitUntilTheyAreWorthAMessage) {
    Grantor grantor(100);
    EXPECT_EQ(grantor.due(), 100U);
    EXPECT_TRUE(grantor.arrived(50));
    EXPECT_EQ(grantor.due(), 0U);
    grantor.freed(24);
    EXPECT_EQ(grantor.due(), 0U);
    grantor.freed(1);
    EXPECT_EQ(grantor.due(), 25U);
    Grantor tiny(1);
    EXPECT_EQ(tiny.due(), 1U);
    EXPECT_EQ(tiny.due(), 0U);
}

TEST(CreditTest, WhoHoldsMoreThanTheWindowGrantsNothing) {
    Grantor grantor(10, 15);
    EXPECT_EQ(grantor.due(), 0U);
    grantor.freed(10);
    EXPECT_EQ(grantor.due(), 5U);
}

TEST(CreditTest, TheWindowIsNeverExceededAndNothingIsLost) {
    base::Prng random(11);
    Allowance allowance;
    Grantor grantor(64);
    std::uint64_t sent = 0;
    std::uint64_t on_its_way = 0;
    std::uint64_t taken = 0;
    for (int step = 0; step < 10'000; ++step) {
        const std::uint64_t units = random.below(10);
        switch (random.below(4)) {
            case 0:
                allowance.grant(grantor.due());
                break;
            case 1:
                taken = allowance.take(units);
                on_its_way += taken;
                sent += taken;
                break;
            case 2:
                ASSERT_TRUE(grantor.arrived(on_its_way));
                on_its_way = 0;
                break;
            default:
                grantor.freed(units);
        }
        ASSERT_LE(grantor.held() + grantor.granted(), 64U);
        ASSERT_EQ(grantor.granted(), allowance.left() + on_its_way);
    }
    EXPECT_GT(sent, 1000U);
}

TEST(CreditTest, PrefetchCoversARoundTrip) {
    Prefetch prefetch(4, 1000);
    EXPECT_EQ(prefetch.tasks(), 8U);
    prefetch.round_trip(50ms);
    prefetch.ran(1s);
    EXPECT_EQ(prefetch.tasks(), 8U) << "one that runs and one that waits, for each slot";
    Prefetch quick(4, 1000);
    quick.round_trip(50ms);
    quick.ran(1ms);
    EXPECT_EQ(quick.tasks(), 4U * 52);
    Prefetch near(4, 1000);
    near.round_trip(100us);
    near.ran(10us);
    EXPECT_EQ(near.tasks(), 4U * 102) << "a millisecond's worth, however near it is";
    for (int i = 0; i < 100; ++i) {
        quick.ran(10ms);
    }
    EXPECT_NEAR(quick.tasks(), 4 * 6, 5);
}

TEST(CreditTest, PrefetchIsBounded) {
    Prefetch prefetch(4, 100);
    prefetch.round_trip(10s);
    prefetch.ran(0ns);
    EXPECT_EQ(prefetch.tasks(), 100U);
    EXPECT_EQ(Prefetch(64, 100).tasks(), 100U);
    EXPECT_EQ(Prefetch(0x80000000U, 100).tasks(), 100U);
    Prefetch wide(4'000'000'000, 4'000'000'000);
    wide.round_trip(1h);
    wide.ran(0ns);
    EXPECT_EQ(wide.tasks(), 4'000'000'000U);
}

}  // namespace
}  // namespace repartir::core
