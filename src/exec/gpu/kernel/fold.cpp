// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/fold.hpp"

namespace repartir::gpu {
namespace {

using enum spv::Op;

/// @return a op b, 1 for true; nothing where it is no comparison that is followed.
std::optional<std::uint32_t> compared(spv::Op op, std::uint32_t a, std::uint32_t b) {
    switch (op) {
        case OpIEqual:
            return a == b ? 1 : 0;
        case OpINotEqual:
            return a != b ? 1 : 0;
        case OpULessThan:
            return a < b ? 1 : 0;
        case OpULessThanEqual:
            return a <= b ? 1 : 0;
        case OpUGreaterThan:
            return a > b ? 1 : 0;
        case OpUGreaterThanEqual:
            return a >= b ? 1 : 0;
        default:
            return std::nullopt;
    }
}

/// @return a op b for integers of 32 bits; nothing where it has no value or
/// is not followed.
std::optional<std::uint32_t> computed(spv::Op op, std::uint32_t a, std::uint32_t b) {
    switch (op) {
        case OpIAdd:
            return a + b;
        case OpISub:
            return a - b;
        case OpIMul:
            return a * b;
        case OpUDiv:
            return b == 0 ? std::nullopt : std::optional(a / b);
        case OpUMod:
            return b == 0 ? std::nullopt : std::optional(a % b);
        case OpSDiv:  // of lengths: neither is negative
            return b == 0 || (a | b) >> 31U != 0 ? std::nullopt : std::optional(a / b);
        case OpSRem:
        case OpSMod:
            return b == 0 || (a | b) >> 31U != 0 ? std::nullopt : std::optional(a % b);
        case OpShiftLeftLogical:
            return b > 31 ? std::nullopt : std::optional(a << b);
        case OpShiftRightLogical:
            return b > 31 ? std::nullopt : std::optional(a >> b);
        case OpBitwiseAnd:
            return a & b;
        case OpBitwiseOr:
            return a | b;
        default:
            return compared(op, a, b);
    }
}

/// @return the value of a constant of 32 bits, or of a boolean.
std::optional<std::uint32_t> value(const Module& module, Id id) {
    const auto found = module.constants.find(id);
    if (found == module.constants.end() || of(module.types, found->second.type).width != 32) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(found->second.bits);
}

/// @param words of OpSpecConstantOp: the operation and its operands
std::optional<std::uint32_t> operation(const Module& module, std::span<const std::uint32_t> words) {
    const auto op = static_cast<spv::Op>(words[0]);
    if (op == OpCompositeExtract && words.size() == 3) {  // such as gl_WorkGroupSize.x
        const std::vector<Id>& vector = of(module.vectors, words[1]);
        return words[2] < vector.size() ? value(module, vector[words[2]]) : std::nullopt;
    }
    if (op == OpSelect && words.size() == 4) {
        const auto condition = value(module, words[1]);
        return condition ? value(module, words[*condition != 0 ? 2 : 3]) : std::nullopt;
    }
    const auto a = words.size() == 3 ? value(module, words[1]) : std::nullopt;
    const auto b = words.size() == 3 ? value(module, words[2]) : std::nullopt;
    return a && b ? computed(op, *a, *b) : std::nullopt;
}

}  // namespace

std::optional<ConstantValue> fold(const Module& module, spv::Op op,
                                  std::span<const std::uint32_t> words) {
    switch (op) {
        case OpConstant:
        case OpSpecConstant: {
            const std::uint64_t high = words.size() > 4 ? words[4] : 0;
            return ConstantValue{words[1], high << 32U | words[3], 0};
        }
        case OpConstantTrue:
        case OpSpecConstantTrue:
            return ConstantValue{words[1], 1, 0};
        case OpConstantFalse:
        case OpSpecConstantFalse:
            return ConstantValue{words[1], 0, 0};
        case OpSpecConstantOp: {
            const auto result = operation(module, words.subspan(3));
            const bool plain = of(module.types, words[1]).width == 32;
            return result && plain ? std::optional(ConstantValue{words[1], *result, 0})
                                   : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

}  // namespace repartir::gpu
