// SPDX-License-Identifier: MIT
#include "exec/gpu/setup.hpp"

#include <gtest/gtest.h>

namespace repartir::gpu {
namespace {

Operand operand(Use use, std::uint64_t bytes) {
    Operand made;
    made.use = use;
    made.bytes = bytes;
    return made;
}

constexpr Ways gpu{.unified = false, .near = true};
constexpr Ways old_gpu{};
constexpr Ways chip{.unified = true, .near = true};
constexpr std::uint64_t small = near_bytes_max;

TEST(Layout, SmallOnesAreWrittenByTheHostItself) {
    EXPECT_EQ(layout_of(gpu, operand(Use::in, small), false), (Layout{Way::direct, Place::near}));
    EXPECT_EQ(layout_of(gpu, operand(Use::in, small + 1), false), Layout());
    EXPECT_EQ(layout_of(old_gpu, operand(Use::in, small), false), Layout());
}

TEST(Layout, WhatAKernelOnlyWritesItWritesToTheHost) {
    EXPECT_EQ(layout_of(gpu, operand(Use::out, small), false),
              (Layout{Way::direct, Place::download}));
    const Layout copied{Way::staged, Place::device, Place::download};
    EXPECT_EQ(layout_of(gpu, operand(Use::out, small), true), copied);
    EXPECT_EQ(layout_of(gpu, operand(Use::out, small + 1), false), copied);
    EXPECT_EQ(layout_of(gpu, operand(Use::in_out, small), true), copied);
}

TEST(Layout, NothingIsCopiedWhereMemoryIsOne) {
    EXPECT_EQ(layout_of(chip, operand(Use::in_out, 1U << 30U), true).way, Way::direct);
    EXPECT_EQ(layout_of({.unified = true, .copies = true}, operand(Use::in, 4), true).way,
              Way::staged);
}

TEST(Layout, OfWhatStaysOnTheDevice) {
    Operand stays = operand(Use::in_out, small);
    stays.resident = std::make_shared<Resident>();
    EXPECT_EQ(layout_of(gpu, stays, true).way, Way::resident);
    EXPECT_EQ(layout_of(chip, stays, true).way, Way::resident);
}

}  // namespace
}  // namespace repartir::gpu
