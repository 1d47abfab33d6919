// SPDX-License-Identifier: MIT
// No value is ever larger than it is said to be at most.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/prng.hpp"
#include "exec/gpu/dsl/ir.hpp"
#include "exec/gpu/dsl/machine.hpp"
#include "repartir/kernel.hpp"

namespace repartir::gpu::dsl {
namespace {

TEST(Bounds, HoldForEveryOperation) {
    base::Prng prng(1);
    const auto below = [&](std::uint32_t most) {
        return static_cast<std::uint32_t>(prng.below(std::uint64_t{most} + 1));
    };
    constexpr std::array<std::uint32_t, 9> limits{0, 1, 5, 31, 32, 64, 99, 0x7FFFFFFF, 0xFFFFFFFF};
    for (auto op = Op::negate; op < Op::load; op = static_cast<Op>(static_cast<int>(op) + 1)) {
        const Take take = take_value(op, ValueType::u32, ValueType::u32);
        if (take == nullptr || rule_of(op).gives == Gives::boolean || op == Op::fma) {
            continue;
        }
        for (int i = 0; i < 3000; ++i) {
            std::array<std::uint32_t, 3> most{};
            alignas(64) std::uint32_t values[3] = {};
            for (std::size_t k = 0; k < 3; ++k) {
                most[k] = prng.below(2) == 0 ? limits[prng.below(limits.size())]
                                             : below(0xFFFFFFFF) >> prng.below(32);
                values[k] = below(most[k]);
            }
            alignas(64) std::uint32_t result = 0;
            alignas(64) const bool condition = prng.below(2) == 0;
            const auto bytes = [](auto& value) {
                return std::as_bytes(std::span(&value, 1)).data();
            };
            Prepared code;
            code.op = op;
            code.result = std::as_writable_bytes(std::span(&result, 1)).data();
            code.a = op == Op::select ? bytes(condition) : bytes(values[0]);
            code.b = bytes(values[1]);
            code.c = bytes(values[2]);
            Machine machine;
            machine.lanes = 1;
            take(code, machine);
            const std::size_t operands = rule_of(op).operands == Operands::one   ? 1
                                         : rule_of(op).operands == Operands::two ? 2
                                                                                 : 3;
            EXPECT_LE(result, at_most(op, ValueType::u32, std::span(most).first(operands)))
                << rule_of(op).name << " " << values[0] << " " << values[1];
        }
    }
}

TEST(Bounds, LeaveOutGuards) {
    const auto words = [](auto body) {
        const Kernel made = kernel("k", {.workgroup = {16, 1, 1}}, body);
        EXPECT_EQ(made.error(), nullptr);
        return made.spirv().size();
    };
    const auto with = [&](auto index) {
        return words([=](Out<float> out) {
            Shared<std::array<float, 16>, 16> tile;
            const UInt me = local_id().x;
            const UInt any = global_id().x;
            For(0, 16, [&](UInt k) { tile[k][me] = to<float>(any); });
            barrier();
            out[any] = tile[3][index(me, any)];
        });
    };
    const auto guarded = with([](const UInt& /*me*/, const UInt& any) { return any & 31; });
    const auto free = with([](const UInt& /*me*/, const UInt& any) { return any & 15; });
    EXPECT_LT(free + 20, guarded);
}

}  // namespace
}  // namespace repartir::gpu::dsl
