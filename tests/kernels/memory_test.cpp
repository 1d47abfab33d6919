// SPDX-License-Identifier: MIT
// What a kernel does to memory, within its bounds and beyond, on the interpreter and on a driver.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "both_fixture.hpp"

namespace repartir::gpu {
namespace {

class Memory : public OnBoth {};
using Words = std::vector<std::uint32_t>;

TEST_P(Memory, OutOfBoundsLoadsGiveZeroAndStoresAreDropped) {
    Words data(16, 7);
    Words out(64, 9);
    run(kernel("bounds",
               [](InOut<std::uint32_t> a, Out<std::uint32_t> b) {
                   const UInt i = global_id().x;
                   b[i] = a[i];             // 48 of them are out of bounds
                   a[i + 1000u] = i;        // dropped
                   a[i * 0x10000000u] = 5;  // wraps around: only 0, 16, 32, ... are in bounds
                   a[bit_cast<std::int32_t>(i) - 1000] = 3;
               }),
        {1, 1, 1}, {}, data, out);
    for (std::uint32_t i = 0; i < 64; ++i) {
        EXPECT_EQ(out[i], i < 16 ? 7 : 0) << i;
    }
    EXPECT_EQ(data[0], 5);
    data[0] = 7;
    EXPECT_EQ(data, Words(16, 7));
}

TEST_P(Memory, AnElementThatIsCutShortIsOutOfBounds) {
    std::vector<float> data(11, 1);  // three elements of 3, and a rest
    Words lengths(1);
    std::vector<float> read(12, 9);
    run(kernel(
            "rest", {.workgroup = {4, 1, 1}},
            [](InOut<std::array<float, 3>> a, Out<std::uint32_t> n, Out<std::array<float, 3>> b) {
                const UInt i = global_id().x;
                n[0] = a.length();
                b[i] = a[i];
                a[i] = Float3{2.0f, 2.0f, 2.0f};
            }),
        {1, 1, 1}, {}, data, lengths, read);
    EXPECT_EQ(lengths[0], 3);
    EXPECT_EQ(data, (std::vector<float>{2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1}));
    EXPECT_EQ(read, (std::vector<float>{1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0}));
}

TEST_P(Memory, EmptyBuffersHaveNoElements) {
    Words none;
    Words out(2, 9);
    run(kernel("empty", {.workgroup = {1, 1, 1}},
               [](InOut<std::uint32_t> a, Out<std::uint32_t> b) {
                   a[0] = 1;
                   b[0] = a.length();
                   b[1] = atomic_add(a[0], 1) + a[0];
               }),
        {1, 1, 1}, {}, none, out);
    EXPECT_EQ(out, (Words{0, 0}));
}

TEST_P(Memory, WorkgroupMemoryAndArraysBeginAsZerosAndHaveBounds) {
    Words out(std::size_t{3} * 64, 9);
    run(kernel("zeros",
               [](Out<std::uint32_t> b) {
                   Shared<std::uint32_t, 100> shared;
                   const UInt i = global_id().x;
                   const UInt me = local_index();
                   Var<std::uint32_t> sum = shared[me] + shared[me + 36u] + shared[me + 90u];
                   barrier();
                   shared[me + 60u] = 1;  // 24 of them are out of bounds
                   shared[me + 1000u] = 1;
                   barrier();
                   For(0, 2, [&](UInt round) {
                       Array<std::uint32_t, 5> mine;  // zeros in each round
                       mine[me % 7u] = 2;
                       mine[3] += 1;
                       sum += mine[me % 7u] + (mine[3] + mine[8]) * 16;
                       If(round == 1, [&] { sum += shared[me + 40u] * 4096; });
                   });
                   b[i] = sum;
               }),
        {3, 1, 1}, {}, out);
    for (std::uint32_t i = 0; i < out.size(); ++i) {
        const std::uint32_t me = i % 64;
        const std::uint32_t at = me % 7;
        const std::uint32_t here = at == 3 ? 3 : at < 5 ? 2 : 0;
        const std::uint32_t third = at == 3 ? 3 : 1;
        EXPECT_EQ(out[i], 2 * (here + third * 16) + (me + 40 >= 60 && me + 40 < 100 ? 4096 : 0))
            << i;
    }
}

TEST_P(Memory, NestedArraysCheckEveryIndex) {
    using Row = std::array<std::array<std::uint32_t, 2>, 3>;
    std::vector<Row> data(2);
    run(kernel("nested", {.workgroup = {5, 4, 3}},
               [](InOut<Row> a) {
                   const UInt3 id = local_id();
                   atomic_add(a[id.z][id.y][id.x], id.x + 10 * id.y + 100 * id.z + 1);
               }),
        {1, 1, 1}, {}, data);
    for (std::uint32_t z = 0; z < 2; ++z) {
        for (std::uint32_t y = 0; y < 3; ++y) {
            for (std::uint32_t x = 0; x < 2; ++x) {
                EXPECT_EQ(data[z][y][x], x + 10 * y + 100 * z + 1);
            }
        }
    }
}

TEST_P(Memory, AtomicsOnBuffersAndWorkgroupMemory) {
    Words data{0, ~0U, 0, ~0U, 0, 0, 0, 77, 0};
    std::vector<std::int32_t> low{100, -100};
    run(kernel("atomics",
               [](InOut<std::uint32_t> a, InOut<std::int32_t> b) {
                   Shared<std::uint32_t, 2> shared;
                   const UInt i = global_id().x;
                   atomic_add(a[0], i);
                   atomic_min(a[1], i + 3);
                   atomic_max(a[2], i);
                   atomic_and(a[3], ~(1u << (i % 32)) | 1u);
                   atomic_or(a[4], UInt(1) << (i % 16));
                   atomic_xor(a[5], UInt(1) << i);
                   atomic_compare_exchange(a[7], 77, i + 1000);
                   atomic_add(a[i + 100], 1);  // dropped
                   atomic_min(b[0], bit_cast<std::int32_t>(i) - 20);
                   atomic_max(b[1], -5 - bit_cast<std::int32_t>(i));
                   atomic_add(shared[0], 2);
                   atomic_add(shared[i + 2], 1);  // dropped
                   barrier();
                   If(atomic_exchange(shared[0], 5) == 256, [&] { a[8] = shared[0]; });
               }),
        {2, 1, 1}, {}, data, low);
    EXPECT_EQ(data[0], 127 * 64);
    EXPECT_EQ(data[1], 3);
    EXPECT_EQ(data[2], 127);
    EXPECT_EQ(data[3], 1);
    EXPECT_EQ(data[4], 0xFFFF);
    EXPECT_EQ(data[5], 0);
    EXPECT_GE(data[7], 1000);
    EXPECT_EQ(data[8], 0);  // 64 twos are 128
    EXPECT_EQ(low, (std::vector<std::int32_t>{-20, -5}));
}

TEST_P(Memory, Atomics64) {
    if (!has().int64 || !has().buffer_atomics_int64) {
        GTEST_SKIP() << "the device lacks atomics of 64 bits";
    }
    std::vector<std::uint64_t> data{0xFFFFFFFFU};
    run(kernel("atomics64",
               [](InOut<std::uint64_t> a) { atomic_add(a[0], to<std::uint64_t>(global_id().x)); }),
        {1, 1, 1}, {}, data);
    EXPECT_EQ(data[0], 0xFFFFFFFFULL + 63 * 32);
}

TEST_P(Memory, ParametersByValueLieAsInAStruct) {
    struct Pushed {
        std::uint32_t a;
        std::array<float, 3> b;
        std::int32_t c;
    };
    Words out(5);
    const Pushed pushed{1, {2, 3, 4}, -5};
    const auto bytes = std::as_bytes(std::span(&pushed, 1));
    const std::vector<std::byte> same = push_constants(pushed.a, pushed.b, pushed.c);
    ASSERT_TRUE(std::ranges::equal(bytes, same));
    run(kernel("pushed", {.workgroup = {1, 1, 1}},
               [](Out<std::uint32_t> o, UInt a, Float3 b, Int c) {
                   o[0] = a;
                   o[1] = to<std::uint32_t>(b.x);
                   o[2] = to<std::uint32_t>(b.y);
                   o[3] = to<std::uint32_t>(b.z);
                   o[4] = bit_cast<std::uint32_t>(c);
               }),
        {1, 1, 1}, same, out);
    EXPECT_EQ(out, (Words{1, 2, 3, 4, static_cast<std::uint32_t>(-5)}));
}

TEST_P(Memory, ConstantsAreSetByName) {
    const Kernel made = kernel("constants", {.workgroup = {1, 1, 1}}, [](Out<float> out) {
        const UInt n = constant("n", 3u);
        const Float scale = constant("scale", 0.5f);
        out[0] = to<float>(n) * scale;
        out[1] = to<float>(constant("n", 3u));
    });
    std::vector<float> out(2);
    run(made, {1, 1, 1}, {}, out);
    EXPECT_EQ(out, (std::vector<float>{1.5F, 3}));
    const std::vector<ConstantSetting> values{{"scale", 2.0F}, {"n", 10U}};
    if (GetParam() == On::interpreter) {
        ASSERT_TRUE(run_on_cpu(made, {.buffers = {out}, .constants = values}));
    } else {
        const std::vector<std::span<std::byte>> buffers{std::as_writable_bytes(std::span(out))};
        driver()->run(made, {1, 1, 1}, buffers, {}, values);
    }
    EXPECT_EQ(out, (std::vector<float>{20, 10}));
}

TEST_P(Memory, FlowOfEveryKind) {
    Words out(64, 9);
    run(kernel("flow",
               [](Out<std::uint32_t> o) {
                   const UInt i = global_id().x;
                   Var<std::uint32_t> x = 0u;
                   If(i < 10, [&] { x = 1; })
                       .ElseIf(i < 20, [&] { x = 2; })
                       .ElseIf(i < 30, [&] { x = 3; })
                       .Else([&] { x = 4; });
                   For(0, i, 3, [&](UInt k) {
                       If(k == 9, [&] { Continue(); });
                       If(k > 40, [&] { Break(); });
                       Loop([&] {
                           x += 10;
                           If(i % 2u == 0, [&] { Break(); }).Else([&] {
                               x += 100;
                               Break();
                           });
                       });
                   });
                   Var<std::int32_t> n = to<std::int32_t>(i);
                   While([&] { return n > 5; },
                         [&] {
                             n -= 5;
                             If(n == 8, [&] { Break(); });
                             x += 1000;
                         });
                   For(-3, n, [&](Int k) { x += bit_cast<std::uint32_t>(k) * 100000; });
                   For(0xFFFFFFF0u, 0xFFFFFFFFu, 7, [&](UInt) { x += 10000000; });
                   o[i] = x;
               }),
        {1, 1, 1}, {}, out);
    for (std::uint32_t i = 0; i < 64; ++i) {
        std::uint32_t x = i < 10 ? 1 : i < 20 ? 2 : i < 30 ? 3 : 4;
        for (std::uint32_t k = 0; k < i; k += 3) {
            if (k == 9) {
                continue;
            }
            if (k > 40) {
                break;
            }
            x += i % 2 == 0 ? 10 : 110;
        }
        auto n = static_cast<std::int32_t>(i);
        while (n > 5) {
            n -= 5;
            if (n == 8) {
                break;
            }
            x += 1000;
        }
        for (std::int32_t k = -3; k < n; ++k) {
            x += static_cast<std::uint32_t>(k) * 100000;
        }
        x += 3 * 10000000;  // F0, F7, FE: the next would wrap around
        EXPECT_EQ(out[i], x) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(On, Memory, testing::Values(On::interpreter, On::driver),
                         [](const auto& which) {
                             return which.param == On::driver ? "Driver" : "Interpreter";
                         });

}  // namespace
}  // namespace repartir::gpu
