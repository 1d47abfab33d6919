// SPDX-License-Identifier: MIT
#pragma once
/// @file ir.hpp A recorded kernel as a value: what is emitted, interpreted, hashed and written
/// down.
///
/// A kernel is a list of steps. A step gives values, which are numbered in the order in which they
/// are made, inputs first. Bodies are nested by steps that begin and end them; a value can be used
/// to the end of the body that it was made in. There are no vectors: what is wider than a number is
/// several numbers.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "repartir/gpu/op.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/kernel.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu::dsl {

using detail::Space;

// Bounds of what is recorded and of what is read: far above what a kernel needs.
inline constexpr std::uint32_t workgroup_invocations_max = 1024;
inline constexpr std::uint32_t steps_max = 1U << 20U;
inline constexpr std::uint32_t values_max = 1U << 22U;
inline constexpr std::uint32_t depth_max = 200;  ///< of nested bodies
inline constexpr std::uint32_t buffers_max = 64;
inline constexpr std::uint32_t push_constant_bytes_max = 256;
inline constexpr std::uint32_t shared_bytes_max = 1U << 18U;  ///< of workgroup memory
inline constexpr std::uint32_t local_bytes_max = 1U << 14U;   ///< of an invocation's arrays
inline constexpr std::uint32_t element_bytes_max = 1U << 20U;

/// Something with elements: a buffer, workgroup memory, a local array. An element is `stride`
/// numbers of one type, which hold the bits of what lies there.
struct Object {
    Space space = Space::buffer;
    ValueType type = ValueType::u32;
    BufferAccess access = BufferAccess::in_out;  ///< of a buffer
    std::uint32_t stride = 1;
    std::uint32_t count = 0;  ///< elements; of a buffer 0: its length comes with it
    static constexpr auto codec_fields =
        std::tuple(&Object::space, &Object::type, &Object::access, &Object::stride, &Object::count);
    bool operator==(const Object&) const = default;
};

/// A value that is the same all over a body, known before its first step.
struct Input {
    enum class Kind : std::uint8_t {
        number,         ///< `bits`
        constant,       ///< `index` among the constants
        push_constant,  ///< at byte `index`
        builtin,        ///< `index` is a Builtin, its axis added
        length,         ///< of object `index`, in elements
    };
    Kind kind = Kind::number;
    ValueType type = ValueType::u32;
    std::uint32_t index = 0;
    std::uint64_t bits = 0;
    static constexpr auto codec_fields =
        std::tuple(&Input::kind, &Input::type, &Input::index, &Input::bits);
    bool operator==(const Input&) const = default;
};

/// A number that is set when the kernel is prepared.
struct Constant {
    std::string name;
    ValueType type = ValueType::u32;
    std::uint64_t otherwise = 0;
    static constexpr auto codec_fields =
        std::tuple(&Constant::name, &Constant::type, &Constant::otherwise);
    bool operator==(const Constant&) const = default;
};

/// In a step's args: no value.
inline constexpr std::uint32_t no_value = ~std::uint32_t{0};

/// A step. `args` are its operands, numbers of values, but for
///   load      object, unit, count; index, further units or no_value. Gives `count` values
///   store     object, unit; index, further units or no_value; the values
///   clear     object
///   get       variable
///   set       variable; value
///   atomic_*  object, unit; index, further units or no_value; value, second value
/// where unit is a position in the element.
struct Step {
    Op op = Op::add;
    ValueType type = ValueType::boolean;  ///< of what it gives; boolean where that is nothing
    std::vector<std::uint32_t> args;
    static constexpr auto codec_fields = std::tuple(&Step::op, &Step::type, &Step::args);
    bool operator==(const Step&) const = default;
};

struct Module {
    std::array<std::uint32_t, 3> workgroup{1, 1, 1};
    std::uint32_t push_constant_bytes = 0;
    std::vector<Object> objects;  ///< buffers first, by binding
    std::vector<Constant> constants;
    std::vector<ValueType> variables;
    std::vector<Input> inputs;
    std::vector<Step> steps;
    static constexpr auto codec_fields =
        std::tuple(&Module::workgroup, &Module::push_constant_bytes, &Module::objects,
                   &Module::constants, &Module::variables, &Module::inputs, &Module::steps);
    bool operator==(const Module&) const = default;
};

/// How many values a step gives.
[[nodiscard]] std::uint32_t results_of(const Step& step) noexcept;

/// What the module says of itself, found out once and checked on the way.
struct Outline {
    std::vector<ValueType> types;        ///< of each value
    std::vector<std::uint32_t> at_most;  ///< of each value: no larger as a uint, whatever happens
    std::vector<std::uint32_t> first;    ///< for each step, its first value
    std::vector<std::uint32_t> partner;  ///< of begin_if: its else or end; of else, loop, for: the
                                         ///< end; of end: what began; of leave, next: the loop
    std::uint32_t depth = 0;             ///< of nested bodies, at most
    KernelInterface interface;
};

/// Checks a module whole: that every step has operands that are there and fit it, that bodies nest,
/// that no bound is passed. What passes can be emitted and interpreted.
/// Errors (Domain::gpu): malformed, too_large.
[[nodiscard]] Result<Outline> outline(const Module& module);

/// @return the module's bytes; the same for the same module everywhere.
[[nodiscard]] std::string encode(const Module& module);
/// Reads what encode() wrote. Not checked yet: outline() does.
/// Errors (Domain::gpu): malformed.
[[nodiscard]] Result<Module> decode(std::string_view bytes);
[[nodiscard]] std::uint64_t hash(const Module& module);

/// Leaves out what nothing depends on, and numbers values, variables and inputs anew in the order
/// of their use.
[[nodiscard]] Module tidied(const Module& module);

/// What the steps of one kind take.
enum class Operands : std::uint8_t { one, two, three, other };
/// What they give.
enum class Gives : std::uint8_t { same, boolean, named, nothing, special };
struct OpRule {
    Op op;
    std::string_view name;
    Operands operands;
    std::uint8_t types;  ///< of the operands, a bit for each ValueType
    Gives gives;
};
inline constexpr std::size_t op_count = static_cast<std::size_t>(Op::next) + 1;
[[nodiscard]] const OpRule& rule_of(Op op) noexcept;

[[nodiscard]] constexpr bool is_atomic(Op op) noexcept {
    return op >= Op::atomic_add && op <= Op::atomic_compare_exchange;
}
[[nodiscard]] constexpr bool is_subgroup(Op op) noexcept {
    return op >= Op::subgroup_add && op <= Op::subgroup_ballot;
}
[[nodiscard]] constexpr bool is_float(ValueType type) noexcept {
    return type == ValueType::f32 || type == ValueType::f64;
}
[[nodiscard]] constexpr bool is_signed(ValueType type) noexcept {
    return type == ValueType::i32 || type == ValueType::i64;
}
/// @return what an input, as a uint, is at most in every invocation.
[[nodiscard]] std::uint32_t at_most(const Input& input,
                                    const std::array<std::uint32_t, 3>& workgroup) noexcept;
/// @return what a step that computes a value, or begin_for, gives at most as a uint.
/// @param operands what each of its operands is at most
[[nodiscard]] std::uint32_t at_most(Op op, ValueType type,
                                    std::span<const std::uint32_t> operands) noexcept;

/// Where the value operands of a step begin in its args.
[[nodiscard]] constexpr std::size_t values_begin(Op op) noexcept {
    if (op == Op::load) {
        return 3;
    }
    if (op == Op::store || is_atomic(op)) {
        return 2;
    }
    return op == Op::set || op == Op::get || op == Op::clear ? 1 : 0;
}
/// Whether a step does something besides giving values.
[[nodiscard]] bool has_effect(Op op) noexcept;

}  // namespace repartir::gpu::dsl

namespace repartir::gpu {
/// A kernel's inside.
struct Kernel::Body {
    std::string name;
    std::vector<Error> error;  ///< none or one
    dsl::Module module;
    dsl::Outline outline;
    Shader shader;
    std::uint64_t hash = 0;
};
}  // namespace repartir::gpu
