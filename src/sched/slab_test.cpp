// SPDX-License-Identifier: MIT
#include "sched/slab.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace repartir::sched {
namespace {

TEST(SlabTest, BlocksAreAlignedDistinctAndRecycled) {
    const Slab::Owner slab = Slab::create(nullptr);
    std::set<void*> seen;
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{64}, std::size_t{65}, std::size_t{512}, std::size_t{513},
          std::size_t{1024}, std::size_t{1025}, std::size_t{8192}, std::size_t{8193},
          std::size_t{200'000}}) {
        for (int i = 0; i < 3; ++i) {
            void* const block = slab->allocate(bytes);
            ASSERT_NE(block, nullptr);
            // SAFETY: only the number is looked at
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
            std::memset(block, 0xAB, bytes);
            EXPECT_TRUE(seen.insert(block).second);
        }
    }
    void* const again = slab->allocate(100);
    Slab::free(again, slab.get());
    EXPECT_EQ(slab->allocate(100), again);
    Slab::free(again, slab.get());
    for (void* const block : seen) {
        Slab::free(block, nullptr);
    }
}

TEST(SlabTest, WhatOthersFreeComesBack) {
    const Slab::Owner slab = Slab::create(nullptr);
    std::vector<void*> all(5000);
    std::set<void*> before;
    for (void*& block : all) {
        block = slab->allocate(64);
        before.insert(block);
    }
    std::thread([&] {
        for (void* const block : all) {
            Slab::free(block, nullptr);
        }
    }).join();
    for (void*& block : all) {
        block = slab->allocate(64);
    }
    const auto known =
        std::count_if(all.begin(), all.end(), [&](void* block) { return before.contains(block); });
    EXPECT_GE(known, 4000) << "new memory was taken although blocks had come back";
    for (void* const block : all) {
        Slab::free(block, slab.get());
    }
}

TEST(SlabTest, BlocksMayOutliveTheirSlab) {
    constexpr std::array<std::size_t, 3> sizes{64, 1000, 10000};
    for (std::size_t round = 0; round < 200; ++round) {
        Slab::Owner slab = Slab::create(nullptr);
        std::array<void*, 64> all{};
        for (void*& block : all) {
            block = slab->allocate(sizes[round % sizes.size()]);
        }
        std::atomic<bool> go{false};
        std::thread other([&] {
            go.wait(false);
            for (void* const block : all) {
                Slab::free(block, nullptr);
            }
        });
        go = true;
        go.notify_one();
        slab.reset();  // while the blocks come back; leaks and double frees are the sanitizers' to
                       // see
        other.join();
    }
}

}  // namespace
}  // namespace repartir::sched
