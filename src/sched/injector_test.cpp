// SPDX-License-Identifier: MIT
#include "sched/injector.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

namespace repartir::sched {
namespace {

using Queue = Injector<std::uint64_t>;

TEST(Injector, FirstInFirstOut) {
    Queue queue(8);
    for (std::uint64_t value = 1; value <= 3; ++value) {
        ASSERT_TRUE(queue.try_push(value));
    }
    EXPECT_EQ(queue.size(), 3U);
    EXPECT_EQ(queue.try_pop(), 1U);
    EXPECT_EQ(queue.try_pop(), 2U);
    EXPECT_EQ(queue.try_pop(), 3U);
    EXPECT_EQ(queue.try_pop(), std::nullopt);
    EXPECT_TRUE(queue.empty());
}

TEST(Injector, RefusesWhenFullAndTakesAgainAfterAPop) {
    Queue queue(3);
    EXPECT_EQ(queue.capacity(), 4U);
    for (std::uint64_t round = 0; round < 10; ++round) {
        for (std::uint64_t value = 0; value < 4; ++value) {
            ASSERT_TRUE(queue.try_push(value));
        }
        EXPECT_FALSE(queue.try_push(99));
        EXPECT_EQ(queue.try_pop(), 0U);
        EXPECT_TRUE(queue.try_push(4));
        EXPECT_FALSE(queue.try_push(99));
        for (std::uint64_t value = 1; value <= 4; ++value) {
            EXPECT_EQ(queue.try_pop(), value);
        }
        EXPECT_EQ(queue.try_pop(), std::nullopt);
    }
    EXPECT_EQ(Queue(0).capacity(), 2U);
}

TEST(Injector, BatchTakesTheOldestInOrder) {
    Queue queue(8);
    for (std::uint64_t value = 0; value < 6; ++value) {
        ASSERT_TRUE(queue.try_push(value));
    }
    std::vector<std::uint64_t> taken;
    const auto take = [&](std::uint64_t value) { taken.push_back(value); };
    EXPECT_EQ(queue.pop_batch(0, take), 0U);
    EXPECT_EQ(queue.pop_batch(4, take), 4U);
    EXPECT_EQ(taken, (std::vector<std::uint64_t>{0, 1, 2, 3}));
    for (std::uint64_t value = 6; value < 12; ++value) {
        ASSERT_TRUE(queue.try_push(value));
    }
    EXPECT_EQ(queue.pop_batch(100, take), 8U) << "no more than there are, over the ring's edge";
    EXPECT_EQ(taken.size(), 12U);
    EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()));
    EXPECT_EQ(queue.pop_batch(100, take), 0U);
}

/// Producers and consumers over a ring much smaller than the traffic: each value comes out exactly
/// once, and each consumer sees each producer's values in their order.
void stress(std::uint64_t producers, std::uint64_t consumers, std::uint64_t each,
            std::size_t batch) {
    Queue queue(16);
    std::atomic<std::uint64_t> left = producers * each;
    std::vector<std::vector<std::uint64_t>> taken(consumers);
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t producer = 0; producer < producers; ++producer) {
            threads.emplace_back([&, producer] {
                for (std::uint64_t value = 0; value < each; ++value) {
                    while (!queue.try_push(producer << 32U | value)) {
                        std::this_thread::yield();
                    }
                }
            });
        }
        for (std::uint64_t consumer = 0; consumer < consumers; ++consumer) {
            threads.emplace_back([&, consumer] {
                std::vector<std::uint64_t>& mine = taken[consumer];
                while (left.load() != 0) {
                    const std::size_t count =
                        queue.pop_batch(batch, [&](std::uint64_t value) { mine.push_back(value); });
                    left.fetch_sub(count);
                    if (count == 0) {
                        std::this_thread::yield();
                    }
                }
            });
        }
    }
    std::vector<std::uint64_t> all;
    for (const std::vector<std::uint64_t>& mine : taken) {
        std::vector<std::uint64_t> next(producers, 0);
        for (const std::uint64_t value : mine) {
            EXPECT_GE(value & 0xFFFFFFFFU, next[value >> 32U]) << "a producer's order was not kept";
            next[value >> 32U] = (value & 0xFFFFFFFFU) + 1;
        }
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), producers * each);
    for (std::uint64_t at = 0; at < all.size(); ++at) {
        ASSERT_EQ(all[at], (at / each) << 32U | at % each);
    }
}

TEST(Injector, EveryValueOnceSingles) { stress(2, 2, 20'000, 1); }
TEST(Injector, EveryValueOnceBatches) { stress(3, 2, 20'000, 5); }

}  // namespace
}  // namespace repartir::sched
