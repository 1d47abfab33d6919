// SPDX-License-Identifier: MIT
#include "exec/gpu/memory.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <bit>
#include <cstring>

#include "exec/gpu/engine_fixture.hpp"

namespace repartir::gpu {
namespace {

TEST(MemorySizes, HaveFewSteps) {
    EXPECT_EQ(Memory::rounded(0), 256U);
    EXPECT_EQ(Memory::rounded(256), 256U);
    EXPECT_EQ(Memory::rounded(257), 320U);
    EXPECT_EQ(Memory::rounded(1025), 1280U);
    EXPECT_EQ(Memory::rounded(2048), 2048U);
    for (std::uint64_t bytes = 1; bytes < 10'000'000; bytes = bytes * 9 / 8 + 1) {
        EXPECT_GE(Memory::rounded(bytes), bytes);
        EXPECT_LE(Memory::rounded(bytes), std::max<std::uint64_t>(256, bytes * 5 / 4)) << bytes;
        EXPECT_EQ(Memory::rounded(bytes) % 4, 0U);
    }
}

class Memories : public OnDevice {};

TEST_F(Memories, WhatIsGivenBackIsUsedAgain) {
    Memory& memory = engine_->memory();
    const VkBuffer first = memory.take(Place::device, 1000).value()->buffer();
    EXPECT_EQ(memory.use().kept, 1U);
    const RegionPtr again = memory.take(Place::device, 1020).value();  // rounded the same
    EXPECT_EQ(again->buffer(), first);
    EXPECT_EQ(memory.use().regions, 1U);
    EXPECT_GE(memory.use().device_bytes, 1020U);
    const RegionPtr other = memory.take(Place::device, 5000).value();
    EXPECT_NE(other->buffer(), first);
}

TEST_F(Memories, BlocksAreSharedAndGoWhenNobodyIsInThem) {
    Memory& memory = engine_->memory();
    {
        std::vector<RegionPtr> regions;
        for (int i = 0; i < 100; ++i) {
            regions.push_back(memory.take(Place::device, 10'000).value());
        }
        EXPECT_LE(memory.use().device_bytes, 128ULL << 20U);
    }
    EXPECT_EQ(memory.use().regions, 0U);
    EXPECT_EQ(memory.use().kept, 100U);
    memory.trim();
    EXPECT_EQ(memory.use().kept, 0U);
    EXPECT_EQ(memory.use().device_bytes, 0U);
}

TEST_F(Memories, WhatIsKeptMakesRoom) {
    constexpr std::uint64_t part = 40ULL << 20U;
    Memory memory(*device_, 3 * part);
    {
        const RegionPtr first = memory.take(Place::device, part).value();
        const RegionPtr second = memory.take(Place::device, part).value();
        const RegionPtr third = memory.take(Place::device, part).value();
        const Result<RegionPtr> fourth = memory.take(Place::device, part);
        ASSERT_FALSE(fourth.has_value());
        EXPECT_EQ(fourth.error().code(), Code::out_of_resources);
    }
    EXPECT_EQ(memory.use().kept, 3U);
    EXPECT_TRUE(memory.take(Place::device, part * 2).has_value());
    EXPECT_EQ(memory.take(Place::device, 1ULL << 50U).error().code(), Code::too_large);
}

TEST_F(Memories, HostMemoryInPlace) {
    constexpr std::size_t bytes = 8192;
    void* const pages =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(pages, MAP_FAILED);
    Memory& memory = engine_->memory();
    {
        const Result<RegionPtr> region = memory.import({static_cast<std::byte*>(pages), bytes});
        ASSERT_TRUE(region.has_value()) << region.error().sentence();
        EXPECT_EQ((*region)->host(), pages);
        EXPECT_EQ(memory.use().imported, 1U);
    }
    EXPECT_EQ(memory.use().imported, 0U);
    EXPECT_EQ(memory.use().kept, 0U);
    ::munmap(pages, bytes);
}

}  // namespace
}  // namespace repartir::gpu
