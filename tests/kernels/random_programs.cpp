// SPDX-License-Identifier: MIT
#include "random_programs.hpp"

#include <array>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "base/prng.hpp"

namespace repartir::gpu {
namespace {

using dsl::Input;
using dsl::Module;
using dsl::no_value;
using dsl::Object;
using dsl::Space;
using dsl::Step;

constexpr auto nothing = ValueType::boolean;
constexpr std::uint32_t drawn_variables = 4;

/// Writes a module step by step; knows which values can be used.
class Author {
  public:
    explicit Author(std::uint64_t seed) : prng_(seed) {}
    Module write();

  private:
    struct Value {
        std::uint32_t id;
        ValueType type;
    };

    std::uint32_t below(std::uint32_t count) {
        return static_cast<std::uint32_t>(prng_.below(count));
    }
    std::uint32_t input(Input::Kind kind, ValueType type, std::uint32_t index,
                        std::uint64_t bits = 0);
    std::uint32_t number(ValueType type, std::uint32_t bits) {
        return input(Input::Kind::number, type, 0, type == nothing ? bits & 1U : bits);
    }
    /// @return a value of that type that can be used here.
    std::uint32_t any(ValueType type);
    std::uint32_t add(Op op, ValueType type, std::vector<std::uint32_t> args);
    void body(std::uint32_t steps);
    void step();
    void compute();
    void memory();
    void variable();
    void branch();
    void loop();
    [[nodiscard]] std::uint32_t depth_left() const { return 4 - depth_; }

    base::Prng prng_;
    Module module_;
    std::vector<Value> known_;  ///< what can be used here
    std::uint32_t inputs_ = 0;
    std::uint32_t next_ = 1U << 16U;  ///< values of steps, until the number of inputs is known
    std::uint32_t depth_ = 0;
    std::uint32_t loops_ = 0;
    std::uint32_t me_ = 0, global_ = 0;
};

std::uint32_t Author::input(Input::Kind kind, ValueType type, std::uint32_t index,
                            std::uint64_t bits) {
    module_.inputs.push_back({kind, type, index, bits});
    return inputs_++;
}

std::uint32_t Author::any(ValueType type) {
    std::vector<std::uint32_t> fitting;
    for (const Value& value : known_) {
        if (value.type == type) {
            fitting.push_back(value.id);
        }
    }
    if (fitting.empty() || below(6) == 0) {
        constexpr std::array<std::uint32_t, 8> edges{0,  1,          2,          7,
                                                     31, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
        return number(type, edges[below(edges.size())]);
    }
    return fitting[below(static_cast<std::uint32_t>(fitting.size()))];
}

std::uint32_t Author::add(Op op, ValueType type, std::vector<std::uint32_t> args) {
    module_.steps.push_back({op, type, std::move(args)});
    const std::uint32_t first = next_;
    next_ += dsl::results_of(module_.steps.back());
    for (std::uint32_t id = first; id < next_; ++id) {
        known_.push_back({id, type});
    }
    return first;
}

void Author::compute() {
    constexpr Op ops[] = {
        Op::negate,     Op::invert,      Op::absolute,     Op::sign,      Op::bit_count,
        Op::lowest_bit, Op::highest_bit, Op::reverse_bits, Op::convert,   Op::bit_cast,
        Op::add,        Op::subtract,    Op::multiply,     Op::divide,    Op::remainder,
        Op::min,        Op::max,         Op::bit_and,      Op::bit_or,    Op::bit_xor,
        Op::shift_left, Op::shift_right, Op::equal,        Op::not_equal, Op::less,
        Op::less_equal, Op::select,      Op::multiply,     Op::divide,    Op::remainder};
    const Op op = ops[below(std::size(ops))];
    const ValueType type = below(2) == 0 ? ValueType::u32 : ValueType::i32;
    const ValueType other = type == ValueType::u32 ? ValueType::i32 : ValueType::u32;
    const bool of_bools = below(8) == 0;
    if (op == Op::select) {
        const ValueType chosen = of_bools ? nothing : type;
        add(op, chosen, {any(nothing), any(chosen), any(chosen)});
    } else if (op == Op::convert || op == Op::bit_cast) {
        add(op, type, {any(other)});
    } else if (op == Op::equal || op == Op::not_equal) {
        const ValueType compared = of_bools ? nothing : type;
        add(op, nothing, {any(compared), any(compared)});
    } else if (op == Op::less || op == Op::less_equal) {
        add(op, nothing, {any(type), any(type)});
    } else if (op < Op::add) {
        const ValueType of = op == Op::invert && of_bools ? nothing : type;
        add(op, of, {any(of)});
    } else {
        const bool bits = op == Op::bit_and || op == Op::bit_or || op == Op::bit_xor;
        const ValueType of = bits && of_bools ? nothing : type;
        add(op, of, {any(of), any(of)});
    }
}

void Author::memory() {
    // 0 is read by all; of 1 and 2 each invocation has elements of its own; 3 is local
    switch (below(5)) {
        case 0: {
            const std::uint32_t unit = below(3);
            const bool inside = below(2) == 0;
            add(Op::load, ValueType::u32,
                {0, unit, 1 + below(3 - unit), any(ValueType::u32),
                 inside ? any(ValueType::u32) : no_value});
            break;
        }
        case 1:
            add(Op::store, nothing, {1, 0, global_, no_value, any(ValueType::u32)});
            break;
        case 2:
            add(Op::load, ValueType::i32, {2, 0, 2, global_, no_value});
            break;
        case 3:
            add(Op::store, nothing, {2, below(2), global_, no_value, any(ValueType::i32)});
            break;
        default:
            if (below(2) == 0) {
                add(Op::load, ValueType::i32, {3, 0, 1, any(ValueType::u32), no_value});
            } else {
                add(Op::store, nothing, {3, 0, any(ValueType::u32), no_value, any(ValueType::i32)});
            }
    }
    if (below(6) == 0) {
        // adding commutes: the order of invocations does not show, as long as nobody looks
        const auto known = known_;
        add(Op::atomic_add, ValueType::u32,
            {4, 0, any(ValueType::u32), no_value, any(ValueType::u32)});
        known_ = known;
    }
}

void Author::variable() {
    const auto which = below(drawn_variables);  // not the loops' counters
    const ValueType type = module_.variables[which];
    if (below(2) == 0) {
        add(Op::get, type, {which});
    } else {
        add(Op::set, nothing, {which, any(type)});
    }
}

void Author::branch() {
    add(Op::begin_if, nothing, {any(nothing)});
    body(1 + below(4));
    const bool leaves = loops_ > 0 && below(3) == 0;
    if (leaves) {
        add(below(2) == 0 ? Op::leave : Op::next, nothing, {});
    }
    if (below(2) == 0) {
        add(Op::begin_else, nothing, {});
        body(1 + below(4));
        if (loops_ > 0 && below(5) == 0) {
            add(below(2) == 0 ? Op::leave : Op::next, nothing, {});
        }
    }
    add(Op::end, nothing, {});
}

void Author::loop() {
    // few rounds, whatever the values are
    const auto known = known_;
    ++loops_;
    if (below(2) == 0) {
        const ValueType type = below(2) == 0 ? ValueType::u32 : ValueType::i32;
        const std::uint32_t from = number(type, below(3) == 0 ? 0x7FFFFFF0 : below(5));
        const std::uint32_t few = add(Op::bit_and, type, {any(type), number(type, 7)});
        const std::uint32_t to = add(Op::add, type, {from, few});
        add(Op::begin_for, type, {from, to, number(type, 1 + below(3))});
        body(1 + below(5));
    } else {
        const auto counter = static_cast<std::uint32_t>(module_.variables.size());
        module_.variables.push_back(ValueType::u32);
        add(Op::set, nothing, {counter, number(ValueType::u32, 0)});
        add(Op::begin_loop, nothing, {});
        const std::uint32_t now = add(Op::get, ValueType::u32, {counter});
        const std::uint32_t more =
            add(Op::less, nothing, {now, number(ValueType::u32, 1 + below(6))});
        add(Op::begin_if, nothing, {add(Op::invert, nothing, {more})});
        add(Op::leave, nothing, {});
        add(Op::end, nothing, {});
        const std::uint32_t then = add(Op::add, ValueType::u32, {now, number(ValueType::u32, 1)});
        add(Op::set, nothing, {counter, then});
        body(1 + below(5));
    }
    --loops_;
    add(Op::end, nothing, {});
    known_ = known;
}

void Author::step() {
    const std::uint32_t kind = below(10);
    if (kind == 0 && depth_left() > 0) {
        branch();
    } else if (kind == 1 && depth_left() > 0) {
        loop();
    } else if (kind < 4) {
        memory();
    } else if (kind < 6) {
        variable();
    } else {
        compute();
    }
}

void Author::body(std::uint32_t steps) {
    const auto known = known_;
    ++depth_;
    for (std::uint32_t i = 0; i < steps; ++i) {
        step();
    }
    --depth_;
    known_ = known;
}

Module Author::write() {
    module_.workgroup = {1 + below(80), 1, 1};
    module_.push_constant_bytes = 4;
    module_.objects = {{Space::buffer, ValueType::u32, BufferAccess::in, 3, 0},
                       {Space::buffer, ValueType::u32, BufferAccess::out, 1, 0},
                       {Space::buffer, ValueType::i32, BufferAccess::in_out, 2, 0},
                       {Space::local, ValueType::i32, BufferAccess::in_out, 1, 5},
                       {Space::workgroup, ValueType::u32, BufferAccess::in_out, 1, 9}};
    module_.variables = {ValueType::u32, ValueType::i32, nothing, ValueType::u32};
    global_ = input(Input::Kind::builtin, ValueType::u32, 0);
    me_ = input(Input::Kind::builtin, ValueType::u32,
                static_cast<std::uint32_t>(Builtin::local_index));
    known_ = {{global_, ValueType::u32}, {me_, ValueType::u32}};
    known_.push_back({input(Input::Kind::length, ValueType::u32, 0), ValueType::u32});
    known_.push_back({input(Input::Kind::push_constant, ValueType::i32, 0), ValueType::i32});
    depth_ = 0;
    for (std::uint32_t i = 0; i < 8 + below(30); ++i) {
        step();
    }
    // what came together in workgroup memory and in the variables
    add(Op::barrier, nothing, {});
    const std::uint32_t shared = add(Op::load, ValueType::u32, {4, 0, 1, me_, no_value});
    const std::uint32_t kept = add(Op::get, ValueType::u32, {0});
    const std::uint32_t both = add(Op::bit_xor, ValueType::u32, {shared, kept});
    const std::uint32_t kept_too = add(Op::get, ValueType::i32, {1});
    add(Op::store, nothing, {1, 0, global_, no_value, both});
    add(Op::store, nothing, {2, 1, global_, no_value, kept_too});
    for (Step& step : module_.steps) {
        for (std::size_t a = dsl::values_begin(step.op); a < step.args.size(); ++a) {
            if (step.args[a] >= 1U << 16U && step.args[a] != no_value) {
                step.args[a] += inputs_ - (1U << 16U);
            }
        }
    }
    return dsl::tidied(module_);
}

}  // namespace

dsl::Module random_program(std::uint64_t seed) { return Author(seed).write(); }

}  // namespace repartir::gpu
