// SPDX-License-Identifier: MIT
// The frame of an emitted kernel: what it takes, and the order of its steps.
#include "exec/gpu/dsl/emit.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "exec/gpu/dsl/emitter.hpp"

namespace repartir::gpu::dsl {
namespace {

constexpr std::uint32_t word(auto value) { return static_cast<std::uint32_t>(value); }

}  // namespace

std::vector<std::uint32_t> emit(const Module& module, const Outline& outline) {
    return Emitter(module, outline).run();
}

Emitter::Emitter(const Module& module, const Outline& outline)
    : module_(module), outline_(outline) {}

std::vector<std::uint32_t> Emitter::run() {
    declare_objects();
    declare_inputs();
    zero_workgroup_memory();
    for (std::size_t at = 0; at < module_.steps.size(); ++at) {
        step(at);
    }
    return w_.finish(module_.workgroup);
}

void Emitter::declare_objects() {
    const bool waits = std::ranges::any_of(module_.steps, [](const Step& s) {
        return s.op == Op::barrier || s.op == Op::memory_barrier;
    });
    std::uint32_t binding = 0;
    for (const Object& object : module_.objects) {
        const SpirvId element = w_.type(object.type);
        if (object.space == Space::local) {
            const SpirvId array = w_.array_type(element, object.count * object.stride);
            objects_.push_back(w_.local(array, true));
            continue;
        }
        if (object.space == Space::workgroup) {
            const SpirvId array = w_.array_type(element, object.count * object.stride);
            const SpirvId pointer = w_.pointer_type(spv::StorageClass::Workgroup, array);
            objects_.push_back(
                w_.global(spv::Op::OpVariable, pointer, {word(spv::StorageClass::Workgroup)}));
            continue;
        }
        const SpirvId block = w_.block_type(object.type);
        const SpirvId pointer = w_.pointer_type(spv::StorageClass::StorageBuffer, block);
        const SpirvId variable =
            w_.global(spv::Op::OpVariable, pointer, {word(spv::StorageClass::StorageBuffer)});
        w_.decorate(variable, spv::Decoration::DescriptorSet, {0});
        w_.decorate(variable, spv::Decoration::Binding, {binding++});
        if (object.access == BufferAccess::in) {
            w_.decorate(variable, spv::Decoration::NonWritable);
        } else if (object.access == BufferAccess::out) {
            w_.decorate(variable, spv::Decoration::NonReadable);
        } else if (waits) {
            w_.decorate(variable, spv::Decoration::Coherent);
        }
        objects_.push_back(variable);
    }
    lengths_.assign(objects_.size(), 0);
    for (const ValueType variable : module_.variables) {
        variables_.push_back(w_.local(w_.type(variable), true));
    }
}

void Emitter::declare_inputs() {
    if (module_.push_constant_bytes != 0) {
        pushed_ = w_.push_constant_block(module_.push_constant_bytes / 4);
    }
    // lengths first: guards use them everywhere
    for (std::uint32_t object = 0; object < module_.objects.size(); ++object) {
        if (module_.objects[object].space == Space::buffer) {
            lengths_[object] = length_of(object);
        }
    }
    std::uint32_t constant = 0;
    std::vector<SpirvId> constants;
    for (const Constant& it : module_.constants) {
        const SpirvId type = w_.type(it.type);
        const auto low = static_cast<std::uint32_t>(it.otherwise);
        const auto high = static_cast<std::uint32_t>(it.otherwise >> 32U);
        constants.push_back(bytes_of(it.type) == 8
                                ? w_.global(spv::Op::OpSpecConstant, type, {low, high})
                                : w_.global(spv::Op::OpSpecConstant, type, {low}));
        w_.decorate(constants.back(), spv::Decoration::SpecId, {constant++});
        w_.name(constants.back(), it.name);
    }
    for (const Input& it : module_.inputs) {
        give(it.kind == Input::Kind::constant ? constants[it.index] : input(it));
    }
}

SpirvId Emitter::input(const Input& input) {
    switch (input.kind) {
        case Input::Kind::push_constant:
            return push_constant(input);
        case Input::Kind::builtin:
            return builtin(input.index);
        case Input::Kind::length:
            return lengths_[input.index];
        default:
            return w_.number(input.type, input.bits);
    }
}

SpirvId Emitter::builtin(std::uint32_t index) {
    const SpirvId number = w_.type(ValueType::u32);
    switch (static_cast<Builtin>(index)) {
        case Builtin::local_index:
            return w_.op(spv::Op::OpLoad, number,
                         {w_.input(number, spv::BuiltIn::LocalInvocationIndex)});
        case Builtin::subgroup_size:
            w_.need(spv::Capability::GroupNonUniform);
            return w_.op(spv::Op::OpLoad, number, {w_.input(number, spv::BuiltIn::SubgroupSize)});
        case Builtin::subgroup_invocation:
            w_.need(spv::Capability::GroupNonUniform);
            return w_.op(spv::Op::OpLoad, number,
                         {w_.input(number, spv::BuiltIn::SubgroupLocalInvocationId)});
        default:
            break;
    }
    constexpr spv::BuiltIn by_axis[] = {spv::BuiltIn::GlobalInvocationId,
                                        spv::BuiltIn::LocalInvocationId, spv::BuiltIn::WorkgroupId,
                                        spv::BuiltIn::NumWorkgroups};
    const SpirvId three = w_.vector_type(ValueType::u32, 3);
    const SpirvId all = w_.op(spv::Op::OpLoad, three, {w_.input(three, by_axis[index / 3])});
    return w_.op(spv::Op::OpCompositeExtract, number, {all, index % 3});
}

SpirvId Emitter::push_constant(const Input& input) {
    const SpirvId unit = w_.type(ValueType::u32);
    const SpirvId pointer = w_.pointer_type(spv::StorageClass::PushConstant, unit);
    const auto load = [&](std::uint32_t at) {
        return w_.op(
            spv::Op::OpLoad, unit,
            {w_.op(spv::Op::OpAccessChain, pointer, {pushed_, w_.number(0), w_.number(at)})});
    };
    const SpirvId low = load(input.index / 4);
    if (input.type == ValueType::u32) {
        return low;
    }
    if (bytes_of(input.type) == 4) {
        return w_.op(spv::Op::OpBitcast, input.type, {low});
    }
    const SpirvId two = w_.op(spv::Op::OpCompositeConstruct, w_.vector_type(ValueType::u32, 2),
                              {low, load(input.index / 4 + 1)});
    return w_.op(spv::Op::OpBitcast, input.type, {two});
}

SpirvId Emitter::length_of(std::uint32_t object) {
    const SpirvId units = w_.op(spv::Op::OpArrayLength, ValueType::u32, {objects_[object], 0});
    const std::uint32_t stride = module_.objects[object].stride;
    return stride == 1 ? units : w_.op(spv::Op::OpUDiv, ValueType::u32, {units, w_.number(stride)});
}

void Emitter::zero_workgroup_memory() {
    const std::uint32_t all = module_.workgroup[0] * module_.workgroup[1] * module_.workgroup[2];
    SpirvId me = 0;
    for (std::uint32_t object = 0; object < module_.objects.size(); ++object) {
        const Object& it = module_.objects[object];
        if (it.space != Space::workgroup) {
            continue;
        }
        me = me == 0 ? builtin(word(Builtin::local_index)) : me;
        // for (at = me; at < units; at += all) object[at] = 0
        const SpirvId units = w_.number(it.count * it.stride);
        const SpirvId at = w_.local(w_.type(ValueType::u32), false);
        w_.act(spv::Op::OpStore, {at, me});
        const SpirvId header = w_.new_id();
        const SpirvId test = w_.new_id();
        const SpirvId body = w_.new_id();
        const SpirvId again = w_.new_id();
        const SpirvId merge = w_.new_id();
        branch(header);
        w_.label(header);
        w_.act(spv::Op::OpLoopMerge, {merge, again, 0});
        branch(test);
        w_.label(test);
        const SpirvId now = w_.op(spv::Op::OpLoad, ValueType::u32, {at});
        const SpirvId more = w_.op(spv::Op::OpULessThan, ValueType::boolean, {now, units});
        w_.act(spv::Op::OpBranchConditional, {more, body, merge});
        w_.label(body);
        w_.act(spv::Op::OpStore, {pointer(object, now), w_.number(it.type, 0)});
        branch(again);
        w_.label(again);
        w_.act(spv::Op::OpStore,
               {at, w_.op(spv::Op::OpIAdd, ValueType::u32, {now, w_.number(all)})});
        branch(header);
        w_.label(merge);
    }
    if (me != 0) {
        barrier({Op::barrier, ValueType::boolean, {}});
    }
}

std::uint64_t Emitter::known(std::uint32_t value) const {
    const bool is_number =
        value < module_.inputs.size() && module_.inputs[value].kind == Input::Kind::number;
    return is_number ? module_.inputs[value].bits : ~std::uint64_t{0};
}

void Emitter::step(std::size_t at) {
    const Step& step = module_.steps[at];
    if (is_subgroup(step.op)) {
        subgroup(step);
    } else if (step.op < Op::load) {
        give(arithmetic(step));
    } else if (step.op < Op::barrier) {
        memory(step);
    } else if (step.op < Op::begin_if) {
        barrier(step);
    } else {
        flow(step, at);
    }
}

}  // namespace repartir::gpu::dsl
