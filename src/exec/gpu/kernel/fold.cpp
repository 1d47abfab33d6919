// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/fold.hpp"

namespace repartir::gpu {
namespace {

using enum spv::Op;

/// @return a op b for integers of 32 bits; nothing where it has no value or is not followed.
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
            return std::nullopt;
    }
}

}  // namespace

std::optional<ConstantValue> fold(const Module& module, spv::Op op,
                                  std::span<const std::uint32_t> words) {
    const auto value = [&](Id id) -> std::optional<std::uint32_t> {
        const auto found = module.constants.find(id);
        const auto type = found == module.constants.end() ? module.types.end()
                                                          : module.types.find(found->second.type);
        const bool plain = type != module.types.end() && type->second.width == 32;
        return plain ? std::optional(static_cast<std::uint32_t>(found->second.bits)) : std::nullopt;
    };
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
            const auto type = module.types.find(words[1]);
            if (words.size() != 6 || type == module.types.end() ||
                type->second.kind != Type::Kind::integer || type->second.width != 32) {
                return std::nullopt;
            }
            const auto a = value(words[4]);
            const auto b = value(words[5]);
            const auto result =
                a && b ? computed(static_cast<spv::Op>(words[3]), *a, *b) : std::nullopt;
            return result ? std::optional(ConstantValue{words[1], *result, 0}) : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

}  // namespace repartir::gpu
