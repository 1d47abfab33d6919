// SPDX-License-Identifier: MIT
#include "repartir/detail/deque.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "base/prng.hpp"

namespace repartir::detail {
namespace {

using Deque = WorkDeque<std::uint64_t>;

TEST(WorkDeque, OwnerTakesNewestFirst) {
    Deque deque;
    for (std::uint64_t value = 1; value <= 3; ++value) {
        ASSERT_TRUE(deque.push(value));
    }
    EXPECT_EQ(deque.size(), 3U);
    EXPECT_EQ(deque.pop(), 3U);
    EXPECT_EQ(deque.pop(), 2U);
    EXPECT_EQ(deque.pop(), 1U);
    EXPECT_EQ(deque.pop(), std::nullopt);
    EXPECT_TRUE(deque.empty());
}

TEST(WorkDeque, ThiefTakesOldestFirst) {
    Deque deque;
    for (std::uint64_t value = 1; value <= 3; ++value) {
        ASSERT_TRUE(deque.push(value));
    }
    EXPECT_EQ(deque.steal(), 1U);
    EXPECT_EQ(deque.pop(), 3U);
    EXPECT_EQ(deque.steal(), 2U);
    EXPECT_EQ(deque.steal(), std::nullopt);
    EXPECT_EQ(deque.pop(), std::nullopt);
}

TEST(WorkDeque, CapacityIsRoundedUpAndDoublesWhenFull) {
    Deque deque(3);
    EXPECT_EQ(deque.capacity(), 4U);
    for (std::uint64_t value = 0; value < 1000; ++value) {
        ASSERT_TRUE(deque.push(value));
    }
    EXPECT_EQ(deque.capacity(), 1024U);
    for (std::uint64_t value = 0; value < 500; ++value) {
        EXPECT_EQ(deque.steal(), value);
    }
    for (std::uint64_t value = 999; value >= 500; --value) {
        EXPECT_EQ(deque.pop(), value);
    }
    EXPECT_EQ(Deque(0).capacity(), 2U);
}

TEST(WorkDeque, TakenSlotsAreUsedAgainWithoutGrowing) {
    Deque deque(4);
    std::uint64_t stolen = 0;
    for (std::uint64_t value = 0; value < 1000; ++value) {
        ASSERT_TRUE(deque.push(value));
        if (value >= 3) {
            ASSERT_EQ(deque.steal(), stolen++);
        }
    }
    EXPECT_EQ(deque.capacity(), 4U);
    EXPECT_EQ(deque.size(), 3U);
}

TEST(WorkDeque, StealIfLeavesWhatIsNotWanted) {
    Deque deque;
    ASSERT_TRUE(deque.push(7));
    ASSERT_TRUE(deque.push(8));
    int asked = 0;
    EXPECT_EQ(deque.steal_if([&](std::uint64_t value) {
        ++asked;
        return value % 2 == 0;
    }),
              std::nullopt);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(deque.size(), 2U);
    EXPECT_EQ(deque.steal_if([](std::uint64_t value) { return value == 7; }), 7U);
    EXPECT_EQ(deque.steal_if([](std::uint64_t value) { return value % 2 == 0; }), 8U);
    EXPECT_EQ(deque.steal_if([](std::uint64_t) -> bool {
        ADD_FAILURE() << "asked about a value of an empty deque";
        return false;
    }),
              std::nullopt);
}

TEST(WorkDeque, PositionMarksAFrame) {
    Deque deque;
    ASSERT_TRUE(deque.push(1));
    const std::int64_t mark = deque.position();
    ASSERT_TRUE(deque.push(2));
    ASSERT_TRUE(deque.push(3));
    std::vector<std::uint64_t> taken;
    while (deque.position() > mark) {
        const std::optional<std::uint64_t> value = deque.pop();
        if (!value) {
            break;
        }
        taken.push_back(*value);
    }
    EXPECT_EQ(taken, (std::vector<std::uint64_t>{3, 2}));
    EXPECT_EQ(deque.size(), 1U);
}

/// An atomic whose array cannot be allocated while `broken` is set: what a push does when memory is
/// short.
struct StarvedAtomics : StdAtomics {
    static inline thread_local bool broken = false;
    template <class T>
    struct atomic : std::atomic<T> {
        using std::atomic<T>::atomic;
        static void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
            return broken ? nullptr : ::operator new[](bytes, std::nothrow);
        }
        static void operator delete[](void* memory) noexcept { ::operator delete[](memory); }
        static void operator delete[](void* memory, const std::nothrow_t&) noexcept {
            ::operator delete[](memory);
        }
    };
};

TEST(WorkDeque, PushRefusesWhenMemoryIsShortAndLosesNothing) {
    WorkDeque<std::uint64_t, StarvedAtomics> deque(2);
    ASSERT_TRUE(deque.push(1));
    ASSERT_TRUE(deque.push(2));
    StarvedAtomics::broken = true;
    EXPECT_FALSE(deque.push(3));
    EXPECT_EQ(deque.size(), 2U);
    EXPECT_EQ(deque.steal(), 1U);
    EXPECT_TRUE(deque.push(4)) << "a slot is free again";
    EXPECT_FALSE(deque.push(5));
    StarvedAtomics::broken = false;
    EXPECT_TRUE(deque.push(6));
    EXPECT_EQ(deque.pop(), 6U);
    EXPECT_EQ(deque.pop(), 4U);
    EXPECT_EQ(deque.pop(), 2U);
    EXPECT_EQ(deque.pop(), std::nullopt);
}

TEST(WorkDeque, StartsWithoutMemoryAndTriesAgain) {
    StarvedAtomics::broken = true;
    WorkDeque<std::uint64_t, StarvedAtomics> deque(8);
    EXPECT_EQ(deque.capacity(), 0U);
    EXPECT_EQ(deque.pop(), std::nullopt);
    EXPECT_EQ(deque.steal(), std::nullopt);
    EXPECT_FALSE(deque.push(1));
    StarvedAtomics::broken = false;
    EXPECT_TRUE(deque.push(2));
    EXPECT_EQ(deque.capacity(), 8U);
    EXPECT_EQ(deque.steal(), 2U);
}

/// One owner that pushes and pops at random, thieves that steal: each value is taken exactly once,
/// and each thief sees rising values.
void stress(std::size_t thieves, std::uint64_t values, std::size_t capacity) {
    Deque deque(capacity);
    std::atomic<bool> done = false;
    std::vector<std::vector<std::uint64_t>> stolen(thieves);
    std::vector<std::jthread> threads;
    for (std::size_t thief = 0; thief < thieves; ++thief) {
        threads.emplace_back([&, thief] {
            while (!done.load() || !deque.empty()) {
                if (const auto value = deque.steal()) {
                    stolen[thief].push_back(*value);
                }
            }
        });
    }
    std::vector<std::uint64_t> taken;
    base::Prng random(values);
    for (std::uint64_t value = 0; value < values;) {
        if (random.below(3) != 0) {
            ASSERT_TRUE(deque.push(value++));
        } else if (const auto popped = deque.pop()) {
            taken.push_back(*popped);
        }
    }
    done.store(true);
    threads.clear();
    for (const std::vector<std::uint64_t>& some : stolen) {
        EXPECT_TRUE(std::is_sorted(some.begin(), some.end())) << "a thief saw values out of order";
        taken.insert(taken.end(), some.begin(), some.end());
    }
    std::sort(taken.begin(), taken.end());
    std::vector<std::uint64_t> all(values);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(taken, all);
}

TEST(WorkDeque, EveryValueIsTakenOnceOneThief) { stress(1, 100'000, 2); }
TEST(WorkDeque, EveryValueIsTakenOnceThreeThieves) { stress(3, 100'000, 64); }

}  // namespace
}  // namespace repartir::detail
