// SPDX-License-Identifier: MIT
// Bodies and barriers, as SPIR-V's structured control flow.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "exec/gpu/dsl/emitter.hpp"

namespace repartir::gpu::dsl {
namespace {

constexpr std::uint32_t mask(auto... bits) { return (static_cast<std::uint32_t>(bits) | ...); }

}  // namespace

void Emitter::branch(SpirvId to) {
    if (!std::exchange(over_, false)) {
        w_.act(spv::Op::OpBranch, {to});
    }
}

void Emitter::begin_if(const Step& step, std::size_t at) {
    const bool has_else = module_.steps[outline_.partner[at]].op == Op::begin_else;
    Frame frame{.op = Op::begin_if, .merge = w_.new_id()};
    frame.otherwise = has_else ? w_.new_id() : frame.merge;
    const SpirvId then = w_.new_id();
    w_.act(spv::Op::OpSelectionMerge, {frame.merge, 0});
    w_.act(spv::Op::OpBranchConditional, {id(step.args[0]), then, frame.otherwise});
    w_.label(then);
    frames_.push_back(frame);
}

void Emitter::begin_loop(const Step& step) {
    Frame frame{.op = step.op, .merge = w_.new_id()};
    frame.again = w_.new_id();
    frame.header = w_.new_id();
    const SpirvId body = w_.new_id();
    if (step.op == Op::begin_for) {
        frame.type = step.type;
        frame.to = id(step.args[1]);
        frame.step = id(step.args[2]);
        frame.variable = w_.local(w_.type(step.type), false);
        w_.act(spv::Op::OpStore, {frame.variable, id(step.args[0])});
    }
    branch(frame.header);
    w_.label(frame.header);
    w_.act(spv::Op::OpLoopMerge, {frame.merge, frame.again, 0});
    if (step.op == Op::begin_for) {
        const SpirvId test = w_.new_id();
        branch(test);
        w_.label(test);
        frame.round = w_.op(spv::Op::OpLoad, step.type, {frame.variable});
        const SpirvId more =
            w_.op(is_signed(step.type) ? spv::Op::OpSLessThan : spv::Op::OpULessThan,
                  ValueType::boolean, {frame.round, frame.to});
        w_.act(spv::Op::OpBranchConditional, {more, body, frame.merge});
        give(frame.round);
    } else {
        branch(body);
    }
    w_.label(body);
    frames_.push_back(frame);
}

void Emitter::end() {
    const Frame frame = frames_.back();
    frames_.pop_back();
    if (frame.op == Op::begin_if) {
        branch(frame.merge);
        return w_.label(frame.merge);
    }
    branch(frame.again);
    w_.label(frame.again);
    if (frame.op == Op::begin_for) {
        // the next round, or the end where the step would go over it: no overflow
        const auto bits = [&](SpirvId value) {
            return frame.type == ValueType::u32
                       ? value
                       : w_.op(spv::Op::OpBitcast, ValueType::u32, {value});
        };
        const SpirvId rest = bits(w_.op(spv::Op::OpISub, frame.type, {frame.to, frame.round}));
        const SpirvId over =
            w_.op(spv::Op::OpULessThanEqual, ValueType::boolean, {rest, bits(frame.step)});
        const SpirvId next = w_.op(spv::Op::OpIAdd, frame.type, {frame.round, frame.step});
        w_.act(spv::Op::OpStore,
               {frame.variable, w_.op(spv::Op::OpSelect, frame.type, {over, frame.to, next})});
    }
    branch(frame.header);
    w_.label(frame.merge);
}

void Emitter::flow(const Step& step, std::size_t at) {
    switch (step.op) {
        case Op::begin_if:
            return begin_if(step, at);
        case Op::begin_else:
            branch(frames_.back().merge);
            return w_.label(frames_.back().otherwise);
        case Op::begin_loop:
        case Op::begin_for:
            return begin_loop(step);
        case Op::end:
            return end();
        default:
            break;
    }
    for (std::size_t i = frames_.size(); i-- > 0;) {
        if (frames_[i].op != Op::begin_if) {
            branch(step.op == Op::leave ? frames_[i].merge : frames_[i].again);
            break;
        }
    }
    over_ = true;
}

void Emitter::barrier(const Step& step) {
    const SpirvId device = w_.number(static_cast<std::uint32_t>(spv::Scope::Device));
    const SpirvId workgroup = w_.number(static_cast<std::uint32_t>(spv::Scope::Workgroup));
    constexpr auto buffers =
        mask(spv::MemorySemanticsMask::AcquireRelease, spv::MemorySemanticsMask::UniformMemory);
    if (step.op == Op::memory_barrier) {
        return w_.act(spv::Op::OpMemoryBarrier, {device, w_.number(buffers)});
    }
    constexpr auto all = mask(spv::MemorySemanticsMask::WorkgroupMemory) | buffers;
    w_.act(spv::Op::OpControlBarrier, {workgroup, workgroup, w_.number(all)});
}

}  // namespace repartir::gpu::dsl
