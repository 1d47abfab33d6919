// SPDX-License-Identifier: MIT
// How large a value can be: an index that cannot be out of bounds needs no guard.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "exec/gpu/dsl/ir.hpp"

namespace repartir::gpu::dsl {
namespace {

constexpr std::uint32_t anything = std::numeric_limits<std::uint32_t>::max();

/// The number, unless it has wrapped around.
constexpr std::uint32_t unwrapped(std::uint64_t number) {
    return number > anything ? anything : static_cast<std::uint32_t>(number);
}

/// Below a number: at most one less; below 0 there is nothing, and 0 says it as well.
constexpr std::uint32_t below(std::uint32_t number) { return number == 0 ? 0 : number - 1; }

}  // namespace

std::uint32_t at_most(const Input& input, const std::array<std::uint32_t, 3>& workgroup) noexcept {
    if (input.type != ValueType::u32) {
        return anything;
    }
    if (input.kind == Input::Kind::number) {
        return static_cast<std::uint32_t>(input.bits);
    }
    if (input.kind != Input::Kind::builtin) {
        return anything;
    }
    constexpr auto local_id = static_cast<std::uint32_t>(Builtin::local_id);
    if (input.index >= local_id && input.index < local_id + 3) {
        return below(workgroup[input.index - local_id]);
    }
    if (input.index == static_cast<std::uint32_t>(Builtin::local_index)) {
        return below(workgroup[0] * workgroup[1] * workgroup[2]);
    }
    return anything;
}

std::uint32_t at_most(Op op, ValueType type, std::span<const std::uint32_t> operands) noexcept {
    if (type != ValueType::u32 || operands.empty()) {
        return anything;
    }
    const std::uint32_t a = operands[0];
    const std::uint32_t b = operands.size() > 1 ? operands[1] : anything;
    switch (op) {
        case Op::add:
            return unwrapped(std::uint64_t{a} + b);
        case Op::multiply:
            return unwrapped(std::uint64_t{a} * b);
        case Op::divide:  // by 0 it is a itself
        case Op::shift_right:
            return a;
        case Op::remainder:  // by 0 it is 0
            return std::min(a, below(b));
        case Op::min:
        case Op::bit_and:
            return std::min(a, b);
        case Op::max:
            return std::max(a, b);
        case Op::bit_or:
        case Op::bit_xor:  // no bit above the highest of both
            return unwrapped((std::uint64_t{1} << static_cast<unsigned>(std::bit_width(a | b))) -
                             1);
        case Op::bit_count:
            return 32;
        case Op::select:
            return std::max(b, operands.size() > 2 ? operands[2] : anything);
        case Op::begin_for:
            return below(b);
        default:
            return anything;
    }
}

}  // namespace repartir::gpu::dsl
