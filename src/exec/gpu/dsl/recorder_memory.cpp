// SPDX-License-Identifier: MIT
// The part of the recorder that knows how C++ types lie in memory.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "exec/gpu/dsl/recorder.hpp"

namespace repartir::gpu::dsl {

Node Recorder::new_object(Space space, BufferAccess access, std::span<const ValueType> leaves,
                          std::size_t count) {
    if (mistake_) {
        return {};
    }
    // numbers of one type lie there as themselves, others as the words that they are made of
    const bool alike = std::ranges::all_of(leaves, [&](ValueType l) { return l == leaves[0]; });
    std::size_t bytes = 0;
    for (const ValueType leaf : leaves) {
        if (leaf == ValueType::boolean) {
            complain("a bool has no layout in memory that others see: use std::uint32_t");
            return {};
        }
        bytes += bytes_of(leaf);
    }
    const ValueType type = alike ? leaves[0] : ValueType::u32;
    const std::size_t stride = bytes / bytes_of(type);
    if (stride > element_bytes_max || count > std::numeric_limits<std::uint32_t>::max()) {
        complain("an array of the kernel is larger than any device's memory for it");
        return {};
    }
    const auto id = static_cast<std::uint32_t>(module_.objects.size());
    module_.objects.push_back({space, type, access, static_cast<std::uint32_t>(stride),
                               static_cast<std::uint32_t>(count)});
    objects_.push_back({type, open_.back().body, no_value, no_value});
    if (space == Space::local) {
        add(Op::clear, ValueType::boolean, {id}, 0);
    }
    return {id, tag_};
}

const Object* Recorder::object_at(const Place& place) {
    return usable(place.object, objects_, "a buffer or array") ? &module_.objects[place.object.id]
                                                               : nullptr;
}

Place Recorder::inside(Place place, Node index, std::size_t count, std::size_t each) {
    const Object* object = object_at(place);
    if (object == nullptr || !type_of(index)) {
        return place;
    }
    const Known known = values_[index.id];
    if (known.input != no_value && module_.inputs[known.input].kind == Input::Kind::number) {
        const std::uint64_t number = module_.inputs[known.input].bits;
        if (number >= count) {
            complain("element " + std::to_string(number) + " of an array of " +
                     std::to_string(count) + " does not exist");
            return place;
        }
        place.bytes += static_cast<std::uint32_t>(number * each);
        return place;
    }
    // an index that is too large makes the whole place be out of bounds
    const auto number = [this](std::uint64_t bits) {
        return input(Input::Kind::number, ValueType::u32, 0, bits);
    };
    Node position = index;
    if (known.at_most >= count) {
        const Node fits = apply(Op::less, {index, number(count)});
        place.index = apply(Op::select, {fits, place.index, number(no_value)});
        position = apply(Op::select, {fits, index, number(0)});
    }
    Node units = apply(Op::multiply, {position, number(each / bytes_of(object->type))});
    if (place.inside.kernel != 0) {
        units = apply(Op::add, {place.inside, units});
    }
    place.inside = units;
    return place;
}

bool Recorder::address(const Place& place, std::vector<std::uint32_t>& args) {
    if (!type_of(place.index) || (place.inside.kernel != 0 && !type_of(place.inside))) {
        return false;
    }
    args.push_back(place.index.id);
    args.push_back(place.inside.kernel != 0 ? place.inside.id : no_value);
    return true;
}

Node Recorder::from_storage(Node unit, Node upper, ValueType leaf) {
    if (bytes_of(leaf) == 4) {
        return leaf == ValueType::u32 ? unit : apply(Op::bit_cast, {unit}, leaf);
    }
    const Node low = apply(Op::convert, {unit}, ValueType::u64);
    const Node high = apply(Op::convert, {upper}, ValueType::u64);
    const Node by = input(Input::Kind::number, ValueType::u64, 0, 32);
    const Node all = apply(Op::bit_or, {low, apply(Op::shift_left, {high, by})});
    return leaf == ValueType::u64 ? all : apply(Op::bit_cast, {all}, leaf);
}

void Recorder::to_storage(Node value, ValueType leaf, ValueType storage,
                          std::vector<std::uint32_t>& args) {
    if (leaf == storage) {
        args.push_back(value.id);
    } else if (bytes_of(leaf) == 4) {
        args.push_back(apply(Op::bit_cast, {value}, storage).id);
    } else {
        const Node all =
            leaf == ValueType::u64 ? value : apply(Op::bit_cast, {value}, ValueType::u64);
        const Node by = input(Input::Kind::number, ValueType::u64, 0, 32);
        const Node high = apply(Op::shift_right, {all, by});
        args.push_back(apply(Op::convert, {all}, ValueType::u32).id);
        args.push_back(apply(Op::convert, {high}, ValueType::u32).id);
    }
}

void Recorder::load(const Place& place, std::span<const ValueType> leaves, std::span<Node> values) {
    const Object* object = object_at(place);
    if (object == nullptr) {
        return;
    }
    const ValueType storage = object->type;
    std::uint32_t count = 0;
    for (const ValueType leaf : leaves) {
        count += static_cast<std::uint32_t>(bytes_of(leaf) / bytes_of(storage));
    }
    std::vector<std::uint32_t> args{
        place.object.id, static_cast<std::uint32_t>(place.bytes / bytes_of(storage)), count};
    if (!address(place, args)) {
        return;
    }
    Node unit = add(Op::load, storage, std::move(args), count);
    for (std::size_t i = 0; i < leaves.size() && !mistake_; ++i) {
        if (leaves[i] == storage) {
            values[i] = unit;
            ++unit.id;
        } else {
            values[i] = from_storage(unit, {unit.id + 1, unit.kernel}, leaves[i]);
            unit.id += static_cast<std::uint32_t>(bytes_of(leaves[i]) / bytes_of(storage));
        }
    }
}

void Recorder::store(const Place& place, std::span<const ValueType> leaves,
                     std::span<const Node> values) {
    const Object* object = object_at(place);
    if (object == nullptr) {
        return;
    }
    const ValueType storage = object->type;
    std::vector<std::uint32_t> args{place.object.id,
                                    static_cast<std::uint32_t>(place.bytes / bytes_of(storage))};
    if (!address(place, args)) {
        return;
    }
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        if (!type_of(values[i])) {
            return;
        }
        to_storage(values[i], leaves[i], storage, args);
    }
    add(Op::store, ValueType::boolean, std::move(args), 0);
}

Node Recorder::atomic(Op op, const Place& place, ValueType type, Node a, Node b) {
    const Object* object = object_at(place);
    if (object == nullptr) {
        return {};
    }
    if (object->space == Space::local) {
        complain(
            "an atomic operation is meant for a gpu::Array, which no other invocation sees:"
            " use a buffer or gpu::Shared");
        return {};
    }
    if (object->type != type) {
        complain(
            "an atomic operation is meant for a member of a struct with members of other"
            " types: there only those of std::uint32_t can have them");
        return {};
    }
    std::vector<std::uint32_t> args{place.object.id,
                                    static_cast<std::uint32_t>(place.bytes / bytes_of(type))};
    if (!address(place, args) || !type_of(a) || (b.kernel != 0 && !type_of(b))) {
        return {};
    }
    args.push_back(a.id);
    if (op == Op::atomic_compare_exchange) {
        args.push_back(b.id);
    }
    return add(op, type, std::move(args), 1);
}

}  // namespace repartir::gpu::dsl
