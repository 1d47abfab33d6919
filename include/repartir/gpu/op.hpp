// SPDX-License-Identifier: MIT
#pragma once
/// @file op.hpp What kernels are made of: the types of their values and the steps that they take.
/// The numbers of both are part of a kernel's bytes and hash: new ones are appended.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace repartir::gpu {

/// The type of a value in a kernel. Vectors, matrices and structs are made of such values.
enum class ValueType : std::uint8_t { boolean, i32, u32, f32, i64, u64, f64 };
/// @return "bool", "int", "uint", "float", "int64", "uint64" or "double".
[[nodiscard]] std::string_view to_string(ValueType type) noexcept;
/// @return 4 or 8; 1 for bool, which has no place in memory that others see.
[[nodiscard]] constexpr std::size_t bytes_of(ValueType type) noexcept {
    return type == ValueType::boolean ? 1 : type < ValueType::i64 ? 4 : 8;
}

/// One step of a kernel; docs/decisions/0016-kernels-in-cpp.md has what each means at its edges.
enum class Op : std::uint8_t {
    // values, of one operand
    negate,
    invert,  ///< of bits; of a bool: not
    absolute,
    sign,
    floor,
    ceil,
    truncate,
    round,  ///< to the nearest, halves to the even one
    sqrt,
    inverse_sqrt,
    sin,
    cos,
    tan,
    asin,
    acos,
    atan,
    exp,
    exp2,
    log,
    log2,
    bit_count,
    reverse_bits,
    lowest_bit,   ///< its position; of 0: all bits set
    highest_bit,  ///< the same
    is_nan,
    is_inf,
    convert,   ///< keeps the number
    bit_cast,  ///< keeps the bits
    // values, of two operands
    add,
    subtract,
    multiply,
    divide,
    remainder,
    min,
    max,
    bit_and,  ///< of bools: and
    bit_or,
    bit_xor,
    shift_left,
    shift_right,  ///< keeps the sign of a signed number
    equal,
    not_equal,
    less,
    less_equal,
    power,
    atan2,
    // values, of three operands
    select,  ///< condition, value if true, value if false
    fma,     ///< a * b + c, rounded once or twice
    // memory
    load,
    store,
    clear,  ///< zeros in a local array
    get,    ///< reads a variable
    set,
    atomic_add,
    atomic_min,
    atomic_max,
    atomic_and,
    atomic_or,
    atomic_xor,
    atomic_exchange,
    atomic_compare_exchange,
    // over the invocations
    barrier,         ///< the workgroup waits; what each wrote is seen by all
    memory_barrier,  ///< what was written before is seen before what is written after
    subgroup_add,
    subgroup_min,
    subgroup_max,
    subgroup_inclusive_add,
    subgroup_exclusive_add,
    subgroup_first,    ///< the value of the first one that is active
    subgroup_shuffle,  ///< the value of the one with that number
    subgroup_any,
    subgroup_all,
    subgroup_ballot,  ///< four times 32 bits
    // flow
    begin_if,
    begin_else,
    begin_loop,
    begin_for,  ///< from, to, step; gives the number of the round
    end,
    leave,  ///< the innermost loop
    next,   ///< round of it
};

/// What every invocation is told.
enum class Builtin : std::uint8_t {
    global_id = 0,             ///< x, then y and z
    local_id = 3,              ///< in the workgroup; x, y, z
    workgroup_id = 6,          ///< x, y, z
    workgroup_count = 9,       ///< x, y, z
    local_index = 12,          ///< in the workgroup, all axes in one
    subgroup_size = 13,        ///< invocations in a subgroup
    subgroup_invocation = 14,  ///< in the subgroup
};

/// What a kernel does with a buffer.
enum class BufferAccess : std::uint8_t { in, out, in_out };

}  // namespace repartir::gpu
