// SPDX-License-Identifier: MIT
// Steps that compute values, as SPIR-V. Where SPIR-V leaves a result open, a guard closes it.
#include <spirv/unified1/GLSL.std.450.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "exec/gpu/dsl/emitter.hpp"

namespace repartir::gpu::dsl {
namespace {

/// How a step stands in SPIR-V, by the type of its operands: an instruction, or a negative number
/// for a function of GLSL.std.450. 0: there is none.
struct Form {
    Op op;
    int of_float, of_signed, of_unsigned, of_bool;
};

constexpr int code(spv::Op op) { return static_cast<int>(op); }

constexpr std::array forms{
    Form{Op::negate, code(spv::Op::OpFNegate), code(spv::Op::OpSNegate), code(spv::Op::OpSNegate),
         0},
    Form{Op::invert, 0, code(spv::Op::OpNot), code(spv::Op::OpNot), code(spv::Op::OpLogicalNot)},
    Form{Op::absolute, -GLSLstd450FAbs, -GLSLstd450SAbs, 0, 0},
    Form{Op::sign, -GLSLstd450FSign, -GLSLstd450SSign, 0, 0},
    Form{Op::floor, -GLSLstd450Floor, 0, 0, 0},
    Form{Op::ceil, -GLSLstd450Ceil, 0, 0, 0},
    Form{Op::truncate, -GLSLstd450Trunc, 0, 0, 0},
    Form{Op::round, -GLSLstd450RoundEven, 0, 0, 0},
    Form{Op::sqrt, -GLSLstd450Sqrt, 0, 0, 0},
    Form{Op::inverse_sqrt, -GLSLstd450InverseSqrt, 0, 0, 0},
    Form{Op::sin, -GLSLstd450Sin, 0, 0, 0},
    Form{Op::cos, -GLSLstd450Cos, 0, 0, 0},
    Form{Op::tan, -GLSLstd450Tan, 0, 0, 0},
    Form{Op::asin, -GLSLstd450Asin, 0, 0, 0},
    Form{Op::acos, -GLSLstd450Acos, 0, 0, 0},
    Form{Op::atan, -GLSLstd450Atan, 0, 0, 0},
    Form{Op::exp, -GLSLstd450Exp, 0, 0, 0},
    Form{Op::exp2, -GLSLstd450Exp2, 0, 0, 0},
    Form{Op::log, -GLSLstd450Log, 0, 0, 0},
    Form{Op::log2, -GLSLstd450Log2, 0, 0, 0},
    Form{Op::bit_count, 0, code(spv::Op::OpBitCount), code(spv::Op::OpBitCount), 0},
    Form{Op::reverse_bits, 0, code(spv::Op::OpBitReverse), code(spv::Op::OpBitReverse), 0},
    Form{Op::lowest_bit, 0, -GLSLstd450FindILsb, -GLSLstd450FindILsb, 0},
    Form{Op::highest_bit, 0, -GLSLstd450FindUMsb, -GLSLstd450FindUMsb, 0},
    Form{Op::is_nan, code(spv::Op::OpIsNan), 0, 0, 0},
    Form{Op::is_inf, code(spv::Op::OpIsInf), 0, 0, 0},
    Form{Op::add, code(spv::Op::OpFAdd), code(spv::Op::OpIAdd), code(spv::Op::OpIAdd), 0},
    Form{Op::subtract, code(spv::Op::OpFSub), code(spv::Op::OpISub), code(spv::Op::OpISub), 0},
    Form{Op::multiply, code(spv::Op::OpFMul), code(spv::Op::OpIMul), code(spv::Op::OpIMul), 0},
    Form{Op::divide, code(spv::Op::OpFDiv), 0, 0, 0},
    Form{Op::min, -GLSLstd450FMin, -GLSLstd450SMin, -GLSLstd450UMin, 0},
    Form{Op::max, -GLSLstd450FMax, -GLSLstd450SMax, -GLSLstd450UMax, 0},
    Form{Op::bit_and, 0, code(spv::Op::OpBitwiseAnd), code(spv::Op::OpBitwiseAnd),
         code(spv::Op::OpLogicalAnd)},
    Form{Op::bit_or, 0, code(spv::Op::OpBitwiseOr), code(spv::Op::OpBitwiseOr),
         code(spv::Op::OpLogicalOr)},
    Form{Op::bit_xor, 0, code(spv::Op::OpBitwiseXor), code(spv::Op::OpBitwiseXor),
         code(spv::Op::OpLogicalNotEqual)},
    Form{Op::equal, code(spv::Op::OpFOrdEqual), code(spv::Op::OpIEqual), code(spv::Op::OpIEqual),
         code(spv::Op::OpLogicalEqual)},
    Form{Op::not_equal, code(spv::Op::OpFUnordNotEqual), code(spv::Op::OpINotEqual),
         code(spv::Op::OpINotEqual), code(spv::Op::OpLogicalNotEqual)},
    Form{Op::less, code(spv::Op::OpFOrdLessThan), code(spv::Op::OpSLessThan),
         code(spv::Op::OpULessThan), 0},
    Form{Op::less_equal, code(spv::Op::OpFOrdLessThanEqual), code(spv::Op::OpSLessThanEqual),
         code(spv::Op::OpULessThanEqual), 0},
    Form{Op::power, -GLSLstd450Pow, 0, 0, 0},
    Form{Op::atan2, -GLSLstd450Atan2, 0, 0, 0},
    Form{Op::fma, -GLSLstd450Fma, 0, 0, 0},
};

int form_of(Op op, ValueType type) {
    for (const Form& form : forms) {
        if (form.op == op) {
            if (type == ValueType::boolean) {
                return form.of_bool;
            }
            return is_float(type)    ? form.of_float
                   : is_signed(type) ? form.of_signed
                                     : form.of_unsigned;
        }
    }
    return 0;
}

/// @return the bits of a float of that type.
std::uint64_t float_bits(ValueType type, double value) {
    return type == ValueType::f32 ? std::bit_cast<std::uint32_t>(static_cast<float>(value))
                                  : std::bit_cast<std::uint64_t>(value);
}

std::uint64_t smallest(ValueType type) {
    return is_signed(type) ? std::uint64_t{1} << (8 * bytes_of(type) - 1) : 0;
}
std::uint64_t largest(ValueType type) {
    const std::uint64_t all = bytes_of(type) == 8 ? ~std::uint64_t{0} : 0xFFFFFFFFU;
    return is_signed(type) ? all >> 1U : all;
}

ValueType with_sign(ValueType type, bool its_signed) {
    if (bytes_of(type) == 8) {
        return its_signed ? ValueType::i64 : ValueType::u64;
    }
    return its_signed ? ValueType::i32 : ValueType::u32;
}

}  // namespace

SpirvId Emitter::arithmetic(const Step& step) {
    const ValueType of = type(step.args[0]);
    const SpirvId a = id(step.args[0]);
    switch (step.op) {
        case Op::select:
            return w_.op(spv::Op::OpSelect, step.type, {a, id(step.args[1]), id(step.args[2])});
        case Op::convert:
            return convert(step);
        case Op::bit_cast:
            return step.type == of ? a : w_.op(spv::Op::OpBitcast, step.type, {a});
        case Op::shift_left:
        case Op::shift_right:
            return shift(step);
        case Op::divide:
        case Op::remainder:
            if (!is_float(of)) {
                return divide(step);
            }
            break;
        case Op::absolute:
        case Op::sign:
            if (!is_float(of) && !is_signed(of)) {
                return step.op == Op::absolute ? a
                                               : w_.glsl(GLSLstd450UMin, of, {a, w_.number(of, 1)});
            }
            break;
        default:
            break;
    }
    const int form = form_of(step.op, of);
    Words operands;
    for (const std::uint32_t arg : step.args) {
        operands.push_back(id(arg));
    }
    if (form < 0) {
        return w_.glsl(static_cast<std::uint32_t>(-form), step.type, operands);
    }
    const SpirvId result = w_.op(static_cast<spv::Op>(form), w_.type(step.type), operands);
    if (is_float(of) && step.op >= Op::add && step.op <= Op::divide) {
        w_.decorate(result, spv::Decoration::NoContraction);
    }
    return result;
}

SpirvId Emitter::divide(const Step& step) {
    const ValueType of = step.type;
    const SpirvId a = id(step.args[0]);
    SpirvId b = id(step.args[1]);
    const std::uint64_t by = known(step.args[1]);
    const std::uint64_t minus_one = largest(with_sign(of, false));
    const bool sure = by != ~std::uint64_t{0} && by != 0 && by != minus_one;
    if (!sure) {
        // by 1 instead of by 0, and of the smallest number by -1
        const auto equal = [&](SpirvId x, std::uint64_t y) {
            return w_.op(spv::Op::OpIEqual, ValueType::boolean, {x, w_.number(of, y)});
        };
        SpirvId bad = equal(b, 0);
        if (is_signed(of)) {
            const SpirvId is_smallest = equal(a, smallest(of));
            const SpirvId by_minus_one = equal(b, minus_one);
            const SpirvId overflows =
                w_.op(spv::Op::OpLogicalAnd, ValueType::boolean, {is_smallest, by_minus_one});
            bad = w_.op(spv::Op::OpLogicalOr, ValueType::boolean, {bad, overflows});
        }
        b = w_.op(spv::Op::OpSelect, of, {bad, w_.number(of, 1), b});
    }
    if (!is_signed(of)) {
        return w_.op(step.op == Op::divide ? spv::Op::OpUDiv : spv::Op::OpUMod, of, {a, b});
    }
    const SpirvId quotient = w_.op(spv::Op::OpSDiv, of, {a, b});
    if (step.op == Op::divide) {
        return quotient;
    }
    // not OpSRem: Vulkan leaves it open for negative operands
    return w_.op(spv::Op::OpISub, of, {a, w_.op(spv::Op::OpIMul, of, {quotient, b})});
}

SpirvId Emitter::shift(const Step& step) {
    const ValueType of = step.type;
    const std::uint64_t bits = 8 * bytes_of(of);
    SpirvId by = id(step.args[1]);
    if (known(step.args[1]) >= bits) {
        by = w_.op(spv::Op::OpBitwiseAnd, of, {by, w_.number(of, bits - 1)});
    }
    spv::Op op = spv::Op::OpShiftLeftLogical;
    if (step.op == Op::shift_right) {
        op = is_signed(of) ? spv::Op::OpShiftRightArithmetic : spv::Op::OpShiftRightLogical;
    }
    return w_.op(op, of, {id(step.args[0]), by});
}

SpirvId Emitter::convert(const Step& step) {
    const ValueType from = type(step.args[0]);
    const ValueType to = step.type;
    const SpirvId a = id(step.args[0]);
    if (from == to) {
        return a;
    }
    if (is_float(from)) {
        return is_float(to) ? w_.op(spv::Op::OpFConvert, to, {a}) : float_to_whole(from, to, a);
    }
    if (is_float(to)) {
        return w_.op(is_signed(from) ? spv::Op::OpConvertSToF : spv::Op::OpConvertUToF, to, {a});
    }
    return whole_to_whole(from, to, a);
}

SpirvId Emitter::whole_to_whole(ValueType from, ValueType to, SpirvId a) {
    if (bytes_of(from) == bytes_of(to)) {
        return w_.op(spv::Op::OpBitcast, to, {a});
    }
    // the width first, by the rule of the old sign, then the new sign
    const bool widens = bytes_of(to) > bytes_of(from);
    const bool by_sign = widens && is_signed(from);
    const ValueType wide = with_sign(to, by_sign);
    if (!by_sign && is_signed(from)) {
        a = w_.op(spv::Op::OpBitcast, with_sign(from, false), {a});
    }
    const SpirvId result = w_.op(by_sign ? spv::Op::OpSConvert : spv::Op::OpUConvert, wide, {a});
    return wide == to ? result : w_.op(spv::Op::OpBitcast, to, {result});
}

SpirvId Emitter::float_to_whole(ValueType from, ValueType to, SpirvId a) {
    // SPIR-V says nothing of what does not fit: that is cut off here. NaN is below nothing.
    const double bound = is_signed(to) ? (bytes_of(to) == 8 ? 0x1p63 : 0x1p31)
                                       : (bytes_of(to) == 8 ? 0x1p64 : 0x1p32);
    const SpirvId high = w_.number(from, float_bits(from, bound));
    const SpirvId low = w_.number(from, float_bits(from, is_signed(to) ? -bound : 0.0));
    const auto test = [&](spv::Op op, SpirvId x, SpirvId y) {
        return w_.op(op, ValueType::boolean, {x, y});
    };
    const SpirvId not_low = test(spv::Op::OpFOrdGreaterThanEqual, a, low);
    const SpirvId not_high = test(spv::Op::OpFOrdLessThan, a, high);
    const SpirvId fits = w_.op(spv::Op::OpLogicalAnd, ValueType::boolean, {not_low, not_high});
    const SpirvId safe = w_.op(spv::Op::OpSelect, from, {fits, a, w_.number(from, 0)});
    SpirvId result =
        w_.op(is_signed(to) ? spv::Op::OpConvertFToS : spv::Op::OpConvertFToU, to, {safe});
    const SpirvId above = test(spv::Op::OpFOrdGreaterThanEqual, a, high);
    result = w_.op(spv::Op::OpSelect, to, {above, w_.number(to, largest(to)), result});
    if (is_signed(to)) {
        const SpirvId below = test(spv::Op::OpFOrdLessThan, a, low);
        result = w_.op(spv::Op::OpSelect, to, {below, w_.number(to, smallest(to)), result});
    }
    return result;
}

void Emitter::subgroup(const Step& step) {
    const ValueType of = type(step.args[0]);
    const SpirvId a = id(step.args[0]);
    const SpirvId scope = w_.number(static_cast<std::uint32_t>(spv::Scope::Subgroup));
    w_.need(spv::Capability::GroupNonUniform);
    const auto pick = [&](spv::Op f, spv::Op s, spv::Op u) {
        return is_float(of) ? f : is_signed(of) ? s : u;
    };
    const auto reduce = [&](spv::Op op, spv::GroupOperation how) {
        w_.need(spv::Capability::GroupNonUniformArithmetic);
        give(w_.op(op, step.type, {scope, static_cast<std::uint32_t>(how), a}));
    };
    const spv::Op add = pick(spv::Op::OpGroupNonUniformFAdd, spv::Op::OpGroupNonUniformIAdd,
                             spv::Op::OpGroupNonUniformIAdd);
    switch (step.op) {
        case Op::subgroup_add:
            return reduce(add, spv::GroupOperation::Reduce);
        case Op::subgroup_inclusive_add:
            return reduce(add, spv::GroupOperation::InclusiveScan);
        case Op::subgroup_exclusive_add:
            return reduce(add, spv::GroupOperation::ExclusiveScan);
        case Op::subgroup_min:
            return reduce(pick(spv::Op::OpGroupNonUniformFMin, spv::Op::OpGroupNonUniformSMin,
                               spv::Op::OpGroupNonUniformUMin),
                          spv::GroupOperation::Reduce);
        case Op::subgroup_max:
            return reduce(pick(spv::Op::OpGroupNonUniformFMax, spv::Op::OpGroupNonUniformSMax,
                               spv::Op::OpGroupNonUniformUMax),
                          spv::GroupOperation::Reduce);
        case Op::subgroup_first:
            w_.need(spv::Capability::GroupNonUniformBallot);
            return give(w_.op(spv::Op::OpGroupNonUniformBroadcastFirst, step.type, {scope, a}));
        case Op::subgroup_shuffle:
            w_.need(spv::Capability::GroupNonUniformShuffle);
            return give(
                w_.op(spv::Op::OpGroupNonUniformShuffle, step.type, {scope, a, id(step.args[1])}));
        case Op::subgroup_any:
        case Op::subgroup_all:
            w_.need(spv::Capability::GroupNonUniformVote);
            return give(w_.op(step.op == Op::subgroup_any ? spv::Op::OpGroupNonUniformAny
                                                          : spv::Op::OpGroupNonUniformAll,
                              step.type, {scope, a}));
        default:
            break;
    }
    w_.need(spv::Capability::GroupNonUniformBallot);
    const SpirvId words =
        w_.op(spv::Op::OpGroupNonUniformBallot, w_.vector_type(ValueType::u32, 4), {scope, a});
    for (std::uint32_t i = 0; i < 4; ++i) {
        give(w_.op(spv::Op::OpCompositeExtract, ValueType::u32, {words, i}));
    }
}

}  // namespace repartir::gpu::dsl
