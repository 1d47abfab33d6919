// SPDX-License-Identifier: MIT
// A kernel made ready for the CPU: where its values and memory lie, and how its steps are taken.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "exec/gpu/dsl/machine.hpp"

namespace repartir::gpu::dsl {
namespace {

constexpr std::size_t alignment = 64;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Puts the same number into every lane.
void fill_row(std::byte* to, ValueType type, std::uint64_t bits, std::uint32_t lanes) {
    by_type(type, [&]<class T>() -> Take {
        T value{};
        if constexpr (sizeof(T) == 1) {
            value = bits != 0;
        } else if constexpr (sizeof(T) == 4) {
            value = std::bit_cast<T>(static_cast<std::uint32_t>(bits));
        } else {
            value = std::bit_cast<T>(bits);
        }
        std::uninitialized_fill_n(row<T>(to), lanes, value);
        return nullptr;
    });
}

}  // namespace

std::size_t bytes_needed(const Kernel::Body& kernel) noexcept {
    const Module& module = kernel.module;
    const std::size_t lanes =
        std::size_t{module.workgroup[0]} * module.workgroup[1] * module.workgroup[2];
    std::size_t bytes = 0;
    for (const ValueType type : kernel.outline.types) {
        bytes += aligned(bytes_of(type) * lanes);
    }
    for (const ValueType type : module.variables) {
        bytes += aligned(bytes_of(type) * lanes);
    }
    for (const Object& object : module.objects) {
        const std::size_t all = std::size_t{object.count} * object.stride * bytes_of(object.type);
        bytes += aligned(object.space == Space::local ? all * lanes : all);
    }
    return bytes;
}

Interpreter::Interpreter(const Kernel::Body& kernel, const CpuRun& run)
    : kernel_(kernel), run_(run) {
    const auto& size = kernel.module.workgroup;
    machine_.lanes = size[0] * size[1] * size[2];
    machine_.subgroup_size = run.subgroup_size;
    masks_.resize(std::size_t{2} * (kernel.outline.depth + 1) * machine_.lanes);
    frames_.reserve(kernel.outline.depth);
    lay_out();
    set_inputs();
    translate();
}

std::size_t Interpreter::row_bytes(ValueType type) const {
    return aligned(bytes_of(type) * machine_.lanes);
}

void Interpreter::lay_out() {
    const Module& module = kernel_.module;
    std::size_t end = 0;
    const auto take = [&end](std::size_t bytes) {
        const std::size_t at = end;
        end += aligned(bytes);
        return at;
    };
    for (const ValueType type : kernel_.outline.types) {
        rows_.push_back(take(row_bytes(type)));
    }
    memory_from_ = end;
    for (const ValueType type : module.variables) {
        variables_.push_back(take(row_bytes(type)));
    }
    std::vector<std::size_t> places;
    for (const Object& object : module.objects) {
        const std::size_t bytes = std::size_t{object.count} * object.stride * bytes_of(object.type);
        places.push_back(take(object.space == Space::local ? bytes * machine_.lanes : bytes));
    }
    bytes_all_ = end;
    bytes_.emplace(end + alignment);
    for (std::size_t i = 0; i < module.objects.size(); ++i) {
        const Object& object = module.objects[i];
        const std::size_t element = object.stride * bytes_of(object.type);
        View view{.length = object.count, .stride = object.stride};
        if (object.space == Space::buffer) {
            view.data = run_.buffers[i].to();
            view.readable = run_.buffers[i].data();
            view.length = static_cast<std::uint32_t>(
                std::min<std::size_t>(run_.buffers[i].bytes() / element, ~std::uint32_t{0}));
        } else {
            view.data = bytes_->data() + places[i];
            view.readable = view.data;
            view.per_lane = object.space == Space::local ? element * object.count : 0;
        }
        machine_.objects.push_back(view);
    }
}

std::uint64_t Interpreter::bits_of(const Input& input) const {
    const KernelInterface& interface = kernel_.outline.interface;
    std::uint64_t bits = input.bits;
    switch (input.kind) {
        case Input::Kind::constant: {
            const KernelConstant& constant = interface.constants[input.index];
            const auto given =
                std::ranges::find(run_.constants, constant.name, &ConstantSetting::name);
            return given == run_.constants.end() ? constant.otherwise : given->bits;
        }
        case Input::Kind::push_constant:
            if (bytes_of(input.type) == 8) {
                std::memcpy(&bits, &run_.push_constants[input.index], 8);
                return bits;
            } else {
                std::uint32_t word = 0;
                std::memcpy(&word, &run_.push_constants[input.index], 4);
                return word;
            }
        case Input::Kind::length:
            return machine_.objects[input.index].length;
        default:
            return bits;
    }
}

void Interpreter::set_inputs() {
    const auto& inputs = kernel_.module.inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].kind != Input::Kind::builtin) {
            fill_row(bytes_->data() + rows_[i], inputs[i].type, bits_of(inputs[i]), machine_.lanes);
        }
    }
}

void Interpreter::set_builtins(std::uint64_t position) {
    const auto& size = kernel_.module.workgroup;
    const auto& groups = run_.workgroups;
    const std::uint64_t plane = std::uint64_t{groups[0]} * groups[1];
    const std::array<std::uint32_t, 3> group{
        static_cast<std::uint32_t>(position % groups[0]),
        static_cast<std::uint32_t>(position / groups[0] % groups[1]),
        static_cast<std::uint32_t>(position / plane)};
    const auto value = [&](std::uint32_t which, std::uint32_t lane) -> std::uint32_t {
        const std::array<std::uint32_t, 3> local{lane % size[0], lane / size[0] % size[1],
                                                 lane / (size[0] * size[1])};
        const std::uint32_t axis = which % 3;
        switch (static_cast<Builtin>(which < 12 ? which - axis : which)) {
            case Builtin::global_id:
                return group[axis] * size[axis] + local[axis];
            case Builtin::local_id:
                return local[axis];
            case Builtin::workgroup_id:
                return group[axis];
            case Builtin::workgroup_count:
                return groups[axis];
            case Builtin::local_index:
                return lane;
            case Builtin::subgroup_size:
                return run_.subgroup_size;
            case Builtin::subgroup_invocation:
                return lane % run_.subgroup_size;
        }
        return 0;
    };
    const auto& inputs = kernel_.module.inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].kind == Input::Kind::builtin) {
            auto* lanes = row<std::uint32_t>(bytes_->data() + rows_[i]);
            for (std::uint32_t l = 0; l < machine_.lanes; ++l) {
                lanes[l] = value(inputs[i].index, l);
            }
        }
    }
}

void Interpreter::translate_access(const Step& step, Prepared& code) {
    const auto at = [&](std::uint32_t value) { return bytes_->data() + rows_[value]; };
    code.object = step.args[0];
    if (step.op == Op::clear) {
        return;
    }
    const std::size_t values = values_begin(step.op);
    code.unit = step.args[1];
    code.index = at(step.args[values]);
    if (step.args[values + 1] != no_value) {
        code.inside = at(step.args[values + 1]);
    }
    code.count = 1;
    if (step.op == Op::load) {
        code.count = step.args[2];
    } else if (step.op == Op::store) {
        code.count = static_cast<std::uint32_t>(step.args.size() - values - 2);
        const std::size_t first = stored_.size();
        for (std::size_t a = values + 2; a < step.args.size(); ++a) {
            stored_.push_back(at(step.args[a]));
        }
        code.values = std::span(stored_).subspan(first);
    } else {
        code.a = at(step.args[values + 2]);
        code.b = step.op == Op::atomic_compare_exchange ? at(step.args[values + 3]) : nullptr;
    }
}

void Interpreter::translate_memory(const Step& step, Prepared& code) {
    if (step.op != Op::get && step.op != Op::set) {
        translate_access(step, code);
        code.take = take_memory(step.op, kernel_.module.objects[step.args[0]].type);
        return;
    }
    std::byte* variable = bytes_->data() + variables_[step.args[0]];
    if (step.op == Op::get) {
        code.a = variable;
    } else {
        code.result = variable;
        code.a = bytes_->data() + rows_[step.args[1]];
    }
    code.take = take_memory(step.op, kernel_.module.variables[step.args[0]]);
}

void Interpreter::translate_value(const Step& step, Prepared& code) {
    const std::array operands{&code.a, &code.b, &code.c};
    for (std::size_t a = 0; a < step.args.size(); ++a) {
        *operands[a] = bytes_->data() + rows_[step.args[a]];
    }
    const std::vector<ValueType>& types = kernel_.outline.types;
    if (is_subgroup(step.op)) {
        code.take = take_subgroup(step.op, types[step.args[0]]);
    } else if (step.op < Op::load) {
        code.take = take_value(step.op, types[step.args.back()], step.type);
    }
}

void Interpreter::translate() {
    const std::vector<Step>& steps = kernel_.module.steps;
    const Outline& outline = kernel_.outline;
    std::size_t stored = 0;
    for (const Step& step : steps) {
        stored += step.op == Op::store ? step.args.size() : 0;
    }
    stored_.reserve(stored);  // Prepared::values views it: it must not move
    for (std::size_t s = 0; s < steps.size(); ++s) {
        Prepared code;
        code.op = steps[s].op;
        code.type = steps[s].type;
        code.partner = outline.partner[s];
        if (results_of(steps[s]) > 0) {
            code.result = bytes_->data() + rows_[outline.first[s]];
            code.row = row_bytes(steps[s].type);
        }
        if (code.op >= Op::load && code.op < Op::barrier) {
            translate_memory(steps[s], code);
        } else {
            translate_value(steps[s], code);
        }
        code_.push_back(code);
    }
}

}  // namespace repartir::gpu::dsl
