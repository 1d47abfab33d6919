// SPDX-License-Identifier: MIT
#include "sched/futex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace repartir::sched {
namespace {

TEST(FutexAtomics, WaitReturnsAtOnceWhenTheWordDiffers) {
    std::atomic<std::uint32_t> word = 1;
    FutexAtomics::wait_while(word, 2);
    SUCCEED();
}

TEST(FutexAtomics, WaitKeepsItsDeadline) {
    std::atomic<std::uint32_t> word = 1;
    const auto start = std::chrono::steady_clock::now();
    const auto deadline = start + std::chrono::milliseconds(5);
    while (FutexAtomics::wait_while(word, 1, deadline)) {}
    EXPECT_GE(std::chrono::steady_clock::now(), deadline);
    EXPECT_FALSE(FutexAtomics::wait_while(word, 1, start)) << "a deadline in the past";
    EXPECT_TRUE(FutexAtomics::wait_while(word, 2, start + std::chrono::hours(1)));
}

TEST(FutexAtomics, WakeAllWakesEverybody) {
    std::atomic<std::uint32_t> word = 1;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            while (word.load() == 1) {
                FutexAtomics::wait_while(word, 1);
            }
        });
    }
    word.store(2);
    FutexAtomics::wake_all(word);
}

TEST(FutexAtomics, AHeavyFenceOrdersAgainstALightOne) {
    if (!FutexAtomics::enable_heavy_fence()) {
        GTEST_SKIP() << "this kernel has no membarrier";
    }
    // Store buffering: both threads missing the other's store is what the fences forbid.
    for (int round = 0; round < 100; ++round) {
        std::atomic<int> ready = 0;
        std::atomic<int> light = 0;
        std::atomic<int> heavy = 0;
        int heavy_seen = -1;
        std::jthread other([&] {
            ready.store(1);
            // ORDER: relaxed, all of them: the asymmetric fence alone is to forbid the outcome.
            heavy.store(1, std::memory_order_relaxed);
            FutexAtomics::heavy_fence();
            // ORDER: as above
            heavy_seen = light.load(std::memory_order_relaxed);
        });
        while (ready.load() == 0) {}
        light.store(1, std::memory_order_relaxed);  // ORDER: as above
        FutexAtomics::light_fence();
        // ORDER: as above
        const int light_seen = heavy.load(std::memory_order_relaxed);
        other.join();
        ASSERT_EQ(light_seen + heavy_seen > 0, true) << "round " << round;
    }
}

}  // namespace
}  // namespace repartir::sched
