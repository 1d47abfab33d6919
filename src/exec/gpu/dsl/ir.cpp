// SPDX-License-Identifier: MIT
#include "exec/gpu/dsl/ir.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "repartir/codec.hpp"

namespace repartir::gpu {

std::string_view to_string(ValueType type) noexcept {
    switch (type) {
        case ValueType::boolean:
            return "bool";
        case ValueType::i32:
            return "int";
        case ValueType::u32:
            return "uint";
        case ValueType::f32:
            return "float";
        case ValueType::i64:
            return "int64";
        case ValueType::u64:
            return "uint64";
        case ValueType::f64:
            return "double";
    }
    return "?";
}

namespace dsl {
namespace {

constexpr std::uint8_t bit(ValueType type) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(type));
}
constexpr std::uint8_t boolean = bit(ValueType::boolean);
constexpr std::uint8_t f32 = bit(ValueType::f32);
constexpr std::uint8_t bits32 = bit(ValueType::i32) | bit(ValueType::u32);
constexpr std::uint8_t integers = bits32 | bit(ValueType::i64) | bit(ValueType::u64);
constexpr std::uint8_t floats = f32 | bit(ValueType::f64);
constexpr std::uint8_t numbers = integers | floats;
constexpr std::uint8_t all = numbers | boolean;

constexpr std::array<OpRule, op_count> rules{{
    {Op::negate, "negate", Operands::one, numbers, Gives::same},
    {Op::invert, "invert", Operands::one, integers | boolean, Gives::same},
    {Op::absolute, "absolute", Operands::one, numbers, Gives::same},
    {Op::sign, "sign", Operands::one, numbers, Gives::same},
    {Op::floor, "floor", Operands::one, floats, Gives::same},
    {Op::ceil, "ceil", Operands::one, floats, Gives::same},
    {Op::truncate, "truncate", Operands::one, floats, Gives::same},
    {Op::round, "round", Operands::one, floats, Gives::same},
    {Op::sqrt, "sqrt", Operands::one, floats, Gives::same},
    {Op::inverse_sqrt, "inverse_sqrt", Operands::one, floats, Gives::same},
    {Op::sin, "sin", Operands::one, f32, Gives::same},
    {Op::cos, "cos", Operands::one, f32, Gives::same},
    {Op::tan, "tan", Operands::one, f32, Gives::same},
    {Op::asin, "asin", Operands::one, f32, Gives::same},
    {Op::acos, "acos", Operands::one, f32, Gives::same},
    {Op::atan, "atan", Operands::one, f32, Gives::same},
    {Op::exp, "exp", Operands::one, f32, Gives::same},
    {Op::exp2, "exp2", Operands::one, f32, Gives::same},
    {Op::log, "log", Operands::one, f32, Gives::same},
    {Op::log2, "log2", Operands::one, f32, Gives::same},
    {Op::bit_count, "bit_count", Operands::one, bits32, Gives::same},
    {Op::reverse_bits, "reverse_bits", Operands::one, bits32, Gives::same},
    {Op::lowest_bit, "lowest_bit", Operands::one, bits32, Gives::same},
    {Op::highest_bit, "highest_bit", Operands::one, bits32, Gives::same},
    {Op::is_nan, "is_nan", Operands::one, floats, Gives::boolean},
    {Op::is_inf, "is_inf", Operands::one, floats, Gives::boolean},
    {Op::convert, "convert", Operands::one, numbers, Gives::named},
    {Op::bit_cast, "bit_cast", Operands::one, numbers, Gives::named},
    {Op::add, "add", Operands::two, numbers, Gives::same},
    {Op::subtract, "subtract", Operands::two, numbers, Gives::same},
    {Op::multiply, "multiply", Operands::two, numbers, Gives::same},
    {Op::divide, "divide", Operands::two, numbers, Gives::same},
    {Op::remainder, "remainder", Operands::two, integers, Gives::same},
    {Op::min, "min", Operands::two, numbers, Gives::same},
    {Op::max, "max", Operands::two, numbers, Gives::same},
    {Op::bit_and, "and", Operands::two, integers | boolean, Gives::same},
    {Op::bit_or, "or", Operands::two, integers | boolean, Gives::same},
    {Op::bit_xor, "xor", Operands::two, integers | boolean, Gives::same},
    {Op::shift_left, "shift_left", Operands::two, integers, Gives::same},
    {Op::shift_right, "shift_right", Operands::two, integers, Gives::same},
    {Op::equal, "equal", Operands::two, all, Gives::boolean},
    {Op::not_equal, "not_equal", Operands::two, all, Gives::boolean},
    {Op::less, "less", Operands::two, numbers, Gives::boolean},
    {Op::less_equal, "less_equal", Operands::two, numbers, Gives::boolean},
    {Op::power, "power", Operands::two, f32, Gives::same},
    {Op::atan2, "atan2", Operands::two, f32, Gives::same},
    {Op::select, "select", Operands::other, all, Gives::same},
    {Op::fma, "fma", Operands::three, floats, Gives::same},
    {Op::load, "load", Operands::other, numbers, Gives::special},
    {Op::store, "store", Operands::other, numbers, Gives::nothing},
    {Op::clear, "clear", Operands::other, numbers, Gives::nothing},
    {Op::get, "get", Operands::other, all, Gives::special},
    {Op::set, "set", Operands::other, all, Gives::nothing},
    {Op::atomic_add, "atomic_add", Operands::other, integers, Gives::special},
    {Op::atomic_min, "atomic_min", Operands::other, integers, Gives::special},
    {Op::atomic_max, "atomic_max", Operands::other, integers, Gives::special},
    {Op::atomic_and, "atomic_and", Operands::other, integers, Gives::special},
    {Op::atomic_or, "atomic_or", Operands::other, integers, Gives::special},
    {Op::atomic_xor, "atomic_xor", Operands::other, integers, Gives::special},
    {Op::atomic_exchange, "atomic_exchange", Operands::other, integers, Gives::special},
    {Op::atomic_compare_exchange, "atomic_compare_exchange", Operands::other, integers,
     Gives::special},
    {Op::barrier, "barrier", Operands::other, all, Gives::nothing},
    {Op::memory_barrier, "memory_barrier", Operands::other, all, Gives::nothing},
    {Op::subgroup_add, "subgroup_add", Operands::one, numbers, Gives::same},
    {Op::subgroup_min, "subgroup_min", Operands::one, numbers, Gives::same},
    {Op::subgroup_max, "subgroup_max", Operands::one, numbers, Gives::same},
    {Op::subgroup_inclusive_add, "subgroup_inclusive_add", Operands::one, numbers, Gives::same},
    {Op::subgroup_exclusive_add, "subgroup_exclusive_add", Operands::one, numbers, Gives::same},
    {Op::subgroup_first, "subgroup_first", Operands::one, all, Gives::same},
    {Op::subgroup_shuffle, "subgroup_shuffle", Operands::other, all, Gives::same},
    {Op::subgroup_any, "subgroup_any", Operands::one, boolean, Gives::boolean},
    {Op::subgroup_all, "subgroup_all", Operands::one, boolean, Gives::boolean},
    {Op::subgroup_ballot, "subgroup_ballot", Operands::one, boolean, Gives::special},
    {Op::begin_if, "if", Operands::one, boolean, Gives::nothing},
    {Op::begin_else, "else", Operands::other, all, Gives::nothing},
    {Op::begin_loop, "loop", Operands::other, all, Gives::nothing},
    {Op::begin_for, "for", Operands::three, bits32, Gives::same},
    {Op::end, "end", Operands::other, all, Gives::nothing},
    {Op::leave, "leave", Operands::other, all, Gives::nothing},
    {Op::next, "next", Operands::other, all, Gives::nothing},
}};

static_assert(
    [] {
        for (std::size_t i = 0; i < rules.size(); ++i) {
            if (rules[i].op != static_cast<Op>(i)) {
                return false;
            }
        }
        return true;
    }(),
    "a rule for each step, in their order");

}  // namespace

const OpRule& rule_of(Op op) noexcept { return rules[static_cast<std::size_t>(op)]; }

std::uint32_t results_of(const Step& step) noexcept {
    switch (step.op) {
        case Op::load:
            return step.args.size() > 2 ? step.args[2] : 0;
        case Op::subgroup_ballot:
            return 4;
        default:
            return rule_of(step.op).gives == Gives::nothing ? 0 : 1;
    }
}

bool has_effect(Op op) noexcept {
    return is_atomic(op) || op == Op::begin_for || rule_of(op).gives == Gives::nothing;
}

std::string encode(const Module& module) {
    std::string bytes = "RKIR";
    codec::append(bytes, std::uint32_t{1});  // the version of what follows
    codec::append(bytes, module);
    return bytes;
}

Result<Module> decode(std::string_view bytes) {
    const std::string_view head("RKIR\1\0\0\0", 8);
    if (!bytes.starts_with(head)) {
        return fail(Error(Domain::gpu, Code::malformed, Fault::user,
                          "the bytes are no recorded kernel of this version"));
    }
    Module module;
    const codec::Problem problem = codec::decode(bytes.substr(head.size()), module);
    if (problem != codec::Problem::none) {
        return fail(
            Error(Domain::gpu, Code::malformed, Fault::user,
                  "the bytes are no recorded kernel: " + std::string(codec::to_string(problem))));
    }
    return module;
}

std::uint64_t hash(const Module& module) {
    // FNV-1a, then the end of MurmurHash3, so that every bit of the bytes reaches every bit
    std::uint64_t value = 0xCBF29CE484222325U;
    for (const char byte : encode(module)) {
        value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
    }
    value = (value ^ (value >> 33U)) * 0xFF51AFD7ED558CCDU;
    value = (value ^ (value >> 33U)) * 0xC4CEB9FE1A85EC53U;
    return value ^ (value >> 33U);
}

namespace {

/// Numbers that are given out in the order in which they are asked for.
class Renumbered {
  public:
    explicit Renumbered(std::size_t count) : to_(count, no_value) {}
    std::uint32_t operator()(std::uint32_t old) {
        if (to_[old] == no_value) {
            to_[old] = static_cast<std::uint32_t>(order_.size());
            order_.push_back(old);
        }
        return to_[old];
    }
    [[nodiscard]] const std::vector<std::uint32_t>& order() const { return order_; }

  private:
    std::vector<std::uint32_t> to_;
    std::vector<std::uint32_t> order_;
};

/// @return which steps do something, or give a value that one of those needs.
std::vector<bool> needed(const Module& module, const std::vector<std::uint32_t>& first,
                         std::uint32_t values) {
    std::vector<bool> used(values, false);
    std::vector<bool> keep(module.steps.size(), false);
    for (std::size_t s = module.steps.size(); s-- > 0;) {
        const Step& step = module.steps[s];
        bool wanted = has_effect(step.op);
        for (std::uint32_t r = 0; r < results_of(step); ++r) {
            wanted = wanted || used[first[s] + r];
        }
        keep[s] = wanted;
        for (std::size_t a = values_begin(step.op); wanted && a < step.args.size(); ++a) {
            if (step.args[a] != no_value) {
                used[step.args[a]] = true;
            }
        }
    }
    return keep;
}

/// The values of a module and the numbers that those have which are kept: inputs first, what steps
/// give behind them, all in the order of their use.
class Kept {
  public:
    explicit Kept(const Module& module)
        : inputs_(module.inputs.size()),
          variables_(module.variables.size()),
          old_inputs_(static_cast<std::uint32_t>(module.inputs.size())) {
        std::vector<std::uint32_t> first;
        std::uint32_t values = old_inputs_;
        for (const Step& step : module.steps) {
            first.push_back(values);
            values += results_of(step);
        }
        steps_ = needed(module, first, values);
        given_ = Renumbered(values);
        for (std::size_t s = 0; s < module.steps.size(); ++s) {
            if (steps_[s]) {
                meet(module.steps[s], first[s]);
            }
        }
    }
    [[nodiscard]] bool step(std::size_t at) const { return steps_[at]; }
    [[nodiscard]] const Renumbered& inputs() const { return inputs_; }
    [[nodiscard]] const Renumbered& variables() const { return variables_; }
    [[nodiscard]] Step renumbered(Step step) {
        if (step.op == Op::get || step.op == Op::set) {
            step.args[0] = variables_(step.args[0]);
        }
        const auto behind = static_cast<std::uint32_t>(inputs_.order().size());
        for (std::size_t a = values_begin(step.op); a < step.args.size(); ++a) {
            std::uint32_t& value = step.args[a];
            if (value != no_value) {
                value = value < old_inputs_ ? inputs_(value) : behind + given_(value);
            }
        }
        return step;
    }

  private:
    void meet(const Step& step, std::uint32_t first) {
        for (std::size_t a = values_begin(step.op); a < step.args.size(); ++a) {
            if (step.args[a] < old_inputs_) {
                inputs_(step.args[a]);
            }
        }
        for (std::uint32_t r = 0; r < results_of(step); ++r) {
            given_(first + r);
        }
    }

    Renumbered inputs_;
    Renumbered variables_;
    Renumbered given_{0};
    std::uint32_t old_inputs_;
    std::vector<bool> steps_;
};

}  // namespace

Module tidied(const Module& module) {
    Kept kept(module);
    Module result = module;
    result.steps.clear();
    for (std::size_t s = 0; s < module.steps.size(); ++s) {
        if (kept.step(s)) {
            result.steps.push_back(kept.renumbered(module.steps[s]));
        }
    }
    result.inputs.clear();
    for (const std::uint32_t input : kept.inputs().order()) {
        result.inputs.push_back(module.inputs[input]);
    }
    result.variables.clear();
    for (const std::uint32_t variable : kept.variables().order()) {
        result.variables.push_back(module.variables[variable]);
    }
    return result;
}

}  // namespace dsl
}  // namespace repartir::gpu
