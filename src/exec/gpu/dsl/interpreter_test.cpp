// SPDX-License-Identifier: MIT
// How the lanes of a workgroup go through bodies and barriers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "repartir/kernel.hpp"

namespace repartir::gpu {
namespace {

using Words = std::vector<std::uint32_t>;

std::string run(const Kernel& kernel, Words& data, std::uint32_t subgroup_size = 32) {
    const Result<void> ran =
        run_on_cpu(kernel, {.buffers = {data}, .subgroup_size = subgroup_size});
    return ran ? "" : ran.error().sentence();
}

TEST(Interpreter, ABarrierIsForAll) {
    const auto at = [](auto condition) {
        return kernel("k", {.workgroup = {8, 1, 1}}, [&](InOut<std::uint32_t> a) {
            If(condition(local_index(), a), [&] { barrier(); });
            If(local_index() == 0, [&] { a[1] = 1; });
        });
    };
    const auto part = at([](const UInt& me, auto&) { return me < 4; });
    const auto same_for_all = at([](const UInt&, auto& a) { return a[0] == 0; });
    Words data(2);
    EXPECT_THAT(run(part, data), testing::HasSubstr("a barrier that only a part of a workgroup"));
    EXPECT_EQ(data[1], 0);  // it ended there
    EXPECT_EQ(run(same_for_all, data), "");
    const Kernel ragged = kernel("ragged", {.workgroup = {8, 1, 1}}, [](InOut<std::uint32_t>) {
        For(0, local_index(), [](UInt) { barrier(); });
    });
    EXPECT_THAT(run(ragged, data), testing::HasSubstr("only a part"));
    const Kernel even = kernel("even", {.workgroup = {8, 1, 1}}, [](InOut<std::uint32_t> a) {
        For(0, 5, [&](UInt) {
            const UInt before = a[local_index()];
            barrier();
            a[(local_index() + 1) % 8] = before + 1;
            barrier();
        });
    });
    Words ring(8);
    EXPECT_EQ(run(even, ring), "");
    EXPECT_EQ(ring, Words(8, 5));
}

TEST(Interpreter, MasksOfNestedBodies) {
    // every combination of leaving, going on and falling through, by the bits of the invocation
    const Kernel k = kernel("masks", [](InOut<std::uint32_t> a) {
        const UInt me = local_index();
        Var<std::uint32_t> trace = 0U;
        For(0, 4, [&](UInt outer) {
            trace = trace * 3 + 1;
            For(0, 3, [&](UInt inner) {
                If((me >> outer & 1) == 0, [&] {
                    If((me >> inner & 2) == 0, [&] { Continue(); }).Else([&] { trace += 7; });
                    trace = trace * 5;
                }).Else([&] {
                    trace += inner;
                    If((me >> (outer + inner) & 4) != 0, [&] { Break(); });
                });
                trace = trace * 2 + 1;
            });
            If((me & 32) != 0 && outer == 2, [&] { Break(); });
        });
        a[me] = trace;
    });
    Words data(64);
    ASSERT_EQ(run(k, data), "");
    for (std::uint32_t me = 0; me < 64; ++me) {
        std::uint32_t trace = 0;
        for (std::uint32_t outer = 0; outer < 4; ++outer) {
            trace = trace * 3 + 1;
            for (std::uint32_t inner = 0; inner < 3; ++inner) {
                if ((me >> outer & 1U) == 0) {
                    if ((me >> inner & 2U) == 0) {
                        continue;
                    }
                    trace += 7;
                    trace = trace * 5;
                } else {
                    trace += inner;
                    if ((me >> (outer + inner) & 4U) != 0) {
                        break;
                    }
                }
                trace = trace * 2 + 1;
            }
            if ((me & 32U) != 0 && outer == 2) {
                break;
            }
        }
        EXPECT_EQ(data[me], trace) << me;
    }
}

TEST(Interpreter, ForOfZeroStepsIsEndless) {
    Words data(1);
    const Kernel k = kernel("k", [](InOut<std::uint32_t>) { For(0, 1, 0, [](UInt) {}); });
    EXPECT_FALSE(run_on_cpu(k, {.buffers = {data}, .rounds_max = 1000}));
}

TEST(Interpreter, SubgroupsCountOnlyThoseThatAreThere) {
    const Kernel k = kernel("subgroups", {.workgroup = {10, 1, 1}}, [](InOut<std::uint32_t> a) {
        const UInt me = local_index();
        If(me % 2 == 1, [&] {
            a[me] =
                subgroup_add(me) + 1000 * subgroup_first(me) + 100000 * subgroup_ballot(me > 1).x;
        });
    });
    Words data(10);
    ASSERT_EQ(run(k, data, 4), "");
    EXPECT_EQ(data, (Words{0, 4 + 1000 + 800000, 0, 4 + 1000 + 800000, 0, 12 + 5000 + 1000000, 0,
                           12 + 5000 + 1000000, 0, 9 + 9000 + 200000}));
}

}  // namespace
}  // namespace repartir::gpu
