// SPDX-License-Identifier: MIT
// Loads, stores and atomic operations, each behind a check of its bounds.
#include <cstddef>
#include <cstdint>

#include "exec/gpu/dsl/emitter.hpp"

namespace repartir::gpu::dsl {
namespace {

spv::StorageClass storage_of(Space space) {
    switch (space) {
        case Space::buffer:
            return spv::StorageClass::StorageBuffer;
        case Space::workgroup:
            return spv::StorageClass::Workgroup;
        case Space::local:
            break;
    }
    return spv::StorageClass::Function;
}

spv::Op atomic_op(Op op, bool is_signed) {
    switch (op) {
        case Op::atomic_add:
            return spv::Op::OpAtomicIAdd;
        case Op::atomic_min:
            return is_signed ? spv::Op::OpAtomicSMin : spv::Op::OpAtomicUMin;
        case Op::atomic_max:
            return is_signed ? spv::Op::OpAtomicSMax : spv::Op::OpAtomicUMax;
        case Op::atomic_and:
            return spv::Op::OpAtomicAnd;
        case Op::atomic_or:
            return spv::Op::OpAtomicOr;
        case Op::atomic_xor:
            return spv::Op::OpAtomicXor;
        default:
            return spv::Op::OpAtomicExchange;
    }
}

}  // namespace

void Emitter::memory(const Step& step) {
    switch (step.op) {
        case Op::load:
            return load(step);
        case Op::store:
            return store(step);
        case Op::clear: {
            const Object& object = module_.objects[step.args[0]];
            const SpirvId array = w_.array_type(w_.type(object.type), object.count * object.stride);
            return w_.act(spv::Op::OpStore, {objects_[step.args[0]], w_.zero(array)});
        }
        case Op::get:
            return give(w_.op(spv::Op::OpLoad, step.type, {variables_[step.args[0]]}));
        case Op::set:
            return w_.act(spv::Op::OpStore, {variables_[step.args[0]], id(step.args[1])});
        default:
            return atomic(step);
    }
}

SpirvId Emitter::pointer(std::uint32_t object, SpirvId position) {
    const Object& it = module_.objects[object];
    const SpirvId type = w_.pointer_type(storage_of(it.space), w_.type(it.type));
    if (it.space == Space::buffer) {
        return w_.op(spv::Op::OpAccessChain, type, {objects_[object], w_.number(0), position});
    }
    return w_.op(spv::Op::OpAccessChain, type, {objects_[object], position});
}

SpirvId Emitter::further(SpirvId position, std::uint32_t units) {
    return units == 0 ? position
                      : w_.op(spv::Op::OpIAdd, ValueType::u32, {position, w_.number(units)});
}

Emitter::Access Emitter::access(const Step& step, std::uint32_t units, bool clamp) {
    const Object& object = module_.objects[step.args[0]];
    const std::size_t at = values_begin(step.op);
    const bool is_buffer = object.space == Space::buffer;
    SpirvId index = id(step.args[at]);
    Access result;
    if (is_buffer || outline_.at_most[step.args[at]] >= object.count) {
        const SpirvId length = is_buffer ? lengths_[step.args[0]] : w_.number(object.count);
        result.fits = w_.op(spv::Op::OpULessThan, ValueType::boolean, {index, length});
    }
    SpirvId inside = 0;
    if (step.args[at + 1] != no_value) {
        // the recorder sees to it that this one fits; whoever wrote other steps may not
        inside = id(step.args[at + 1]);
        const std::uint32_t room = object.stride - step.args[1] - units;
        if (outline_.at_most[step.args[at + 1]] > room) {
            const SpirvId has_room =
                w_.op(spv::Op::OpULessThanEqual, ValueType::boolean, {inside, w_.number(room)});
            result.fits = result.fits == 0 ? has_room
                                           : w_.op(spv::Op::OpLogicalAnd, ValueType::boolean,
                                                   {result.fits, has_room});
        }
    }
    if (clamp && result.fits != 0) {
        const SpirvId zero = w_.number(0);
        index = w_.op(spv::Op::OpSelect, ValueType::u32, {result.fits, index, zero});
        inside =
            inside == 0 ? 0 : w_.op(spv::Op::OpSelect, ValueType::u32, {result.fits, inside, zero});
    }
    // Where the access does not fit, this may be anything: it is not used then.
    result.position = object.stride == 1 ? index
                                         : w_.op(spv::Op::OpIMul, ValueType::u32,
                                                 {index, w_.number(object.stride)});
    result.position = further(result.position, step.args[1]);
    if (inside != 0) {
        result.position = w_.op(spv::Op::OpIAdd, ValueType::u32, {result.position, inside});
    }
    return result;
}

SpirvId Emitter::open_guard(SpirvId fits) {
    if (fits == 0) {
        return 0;
    }
    const SpirvId inside = w_.new_id();
    const SpirvId behind = w_.new_id();
    w_.act(spv::Op::OpSelectionMerge, {behind, 0});
    w_.act(spv::Op::OpBranchConditional, {fits, inside, behind});
    w_.label(inside);
    return behind;
}

void Emitter::load(const Step& step) {
    const Object& object = module_.objects[step.args[0]];
    const std::uint32_t count = step.args[2];
    const bool clamp = object.space != Space::buffer;  // those have an element 0 at least
    const Access place = access(step, count, clamp);
    const SpirvId before = w_.block();
    const SpirvId behind = clamp ? 0 : open_guard(place.fits);
    Words loaded;
    for (std::uint32_t i = 0; i < count; ++i) {
        const SpirvId from = pointer(step.args[0], further(place.position, i));
        loaded.push_back(w_.op(spv::Op::OpLoad, object.type, {from}));
    }
    const SpirvId inside = w_.block();
    if (behind != 0) {
        branch(behind);
        w_.label(behind);
    }
    const SpirvId zero = w_.number(object.type, 0);
    for (const SpirvId value : loaded) {
        if (behind != 0) {
            give(w_.op(spv::Op::OpPhi, object.type, {value, inside, zero, before}));
        } else if (place.fits != 0) {
            give(w_.op(spv::Op::OpSelect, object.type, {place.fits, value, zero}));
        } else {
            give(value);
        }
    }
}

void Emitter::store(const Step& step) {
    constexpr std::size_t values = 4;
    const auto count = static_cast<std::uint32_t>(step.args.size() - values);
    const Access place = access(step, count, false);
    const SpirvId behind = open_guard(place.fits);
    for (std::uint32_t i = 0; i < count; ++i) {
        const SpirvId to = pointer(step.args[0], further(place.position, i));
        w_.act(spv::Op::OpStore, {to, id(step.args[values + i])});
    }
    if (behind != 0) {
        branch(behind);
        w_.label(behind);
    }
}

void Emitter::atomic(const Step& step) {
    const Object& object = module_.objects[step.args[0]];
    const bool shared = object.space == Space::workgroup;
    if (bytes_of(object.type) == 8) {
        w_.need(spv::Capability::Int64Atomics);
    }
    const Access place = access(step, 1, false);
    const SpirvId before = w_.block();
    const SpirvId behind = open_guard(place.fits);
    const SpirvId at = pointer(step.args[0], place.position);
    const SpirvId scope =
        w_.number(static_cast<std::uint32_t>(shared ? spv::Scope::Workgroup : spv::Scope::Device));
    const SpirvId relaxed = w_.number(0);
    const SpirvId a = id(step.args[4]);
    const SpirvId old = step.op == Op::atomic_compare_exchange
                            ? w_.op(spv::Op::OpAtomicCompareExchange, object.type,
                                    {at, scope, relaxed, relaxed, id(step.args[5]), a})
                            : w_.op(atomic_op(step.op, is_signed(object.type)), object.type,
                                    {at, scope, relaxed, a});
    if (behind == 0) {
        return give(old);
    }
    const SpirvId inside = w_.block();
    branch(behind);
    w_.label(behind);
    give(w_.op(spv::Op::OpPhi, object.type, {old, inside, w_.number(object.type, 0), before}));
}

}  // namespace repartir::gpu::dsl
