// SPDX-License-Identifier: MIT
// What the traced types call: each function goes to the kernel that this thread records, if any.
#include "repartir/gpu/trace.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "exec/gpu/dsl/ir.hpp"
#include "exec/gpu/dsl/recorder.hpp"
#include "repartir/gpu/invocation.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/value.hpp"

namespace repartir::gpu {
namespace detail {
namespace {

dsl::Recorder* recorder() noexcept { return dsl::current().recorder; }

}  // namespace

void complain(std::string_view sentence) {
    if (auto* r = recorder()) {
        r->complain(sentence);
    }
}

Node literal(ValueType type, std::uint64_t bits) {
    auto* r = recorder();
    return r != nullptr ? r->input(dsl::Input::Kind::number, type, 0, bits) : Node{};
}

Node builtin(Builtin which, std::uint32_t axis) {
    auto* r = recorder();
    const std::uint32_t index = static_cast<std::uint32_t>(which) + axis;
    return r != nullptr ? r->input(dsl::Input::Kind::builtin, ValueType::u32, index) : Node{};
}

Node length(Node object) {
    auto* r = recorder();
    return r != nullptr ? r->length(object) : Node{};
}

Node constant(std::string_view name, ValueType type, std::uint64_t bits) {
    auto* r = recorder();
    return r != nullptr ? r->constant(name, type, bits) : Node{};
}

Node workgroup_size(std::uint32_t axis) {
    auto* r = recorder();
    return r != nullptr ? literal(ValueType::u32, r->workgroup()[axis]) : Node{};
}

Node apply(Op op, Node a) {
    auto* r = recorder();
    return r != nullptr ? r->apply(op, {a}) : Node{};
}

Node apply(Op op, Node a, Node b) {
    auto* r = recorder();
    return r != nullptr ? r->apply(op, {a, b}) : Node{};
}

Node apply(Op op, Node a, Node b, Node c) {
    auto* r = recorder();
    return r != nullptr ? r->apply(op, {a, b, c}) : Node{};
}

Node change(Op op, ValueType to, Node a) {
    auto* r = recorder();
    return r != nullptr ? r->apply(op, {a}, to) : Node{};
}

void ballot(Node condition, std::span<Node, 4> words) {
    if (auto* r = recorder()) {
        r->ballot(condition, words);
    }
}

void act(Op op) {
    if (auto* r = recorder()) {
        r->act(op);
    }
}

Node new_variable(std::span<const ValueType> leaves) {
    auto* r = recorder();
    return r != nullptr ? r->new_variable(leaves) : Node{};
}

void get(Node first, std::span<Node> values) {
    if (auto* r = recorder()) {
        r->get(first, values);
    }
}

void set(Node first, std::span<const Node> values) {
    if (auto* r = recorder()) {
        r->set(first, values);
    }
}

Node new_object(Space space, BufferAccess access, std::span<const ValueType> leaves,
                std::size_t count) {
    auto* r = recorder();
    return r != nullptr ? r->new_object(space, access, leaves, count) : Node{};
}

Node push_constant(ValueType type, std::uint32_t alignment) {
    auto* r = recorder();
    return r != nullptr ? r->push_constant(type, alignment) : Node{};
}

Place inside(const Place& place, Node index, std::size_t count, std::size_t each) {
    auto* r = recorder();
    return r != nullptr ? r->inside(place, index, count, each) : place;
}

Node as_index(Node index) {
    auto* r = recorder();
    if (r == nullptr || r->type_of(index) != ValueType::i32) {
        return index;
    }
    return r->apply(Op::bit_cast, {index}, ValueType::u32);
}

void load(const Place& place, std::span<const ValueType> leaves, std::span<Node> values) {
    if (auto* r = recorder()) {
        r->load(place, leaves, values);
    }
}

void store(const Place& place, std::span<const ValueType> leaves, std::span<const Node> values) {
    if (auto* r = recorder()) {
        r->store(place, leaves, values);
    }
}

Node atomic(Op op, const Place& place, ValueType type, Node a, Node b) {
    auto* r = recorder();
    return r != nullptr ? r->atomic(op, place, type, a, b) : Node{};
}

void begin_if(Node condition) {
    if (auto* r = recorder()) {
        r->begin_if(condition);
    }
}

Chain end_if() {
    auto* r = recorder();
    return r != nullptr ? r->end_if() : Chain{};
}

void begin_else(const Chain& chain, bool directly) {
    if (auto* r = recorder()) {
        r->begin_else(chain, directly);
    }
}

void end_else(Chain& chain) {
    if (auto* r = recorder()) {
        r->end_else(chain);
    }
}

void begin_loop() {
    if (auto* r = recorder()) {
        r->begin_loop();
    }
}

Node begin_for(Node from, Node to, Node step) {
    auto* r = recorder();
    return r != nullptr ? r->begin_for(from, to, step) : Node{};
}

void end_loop() {
    if (auto* r = recorder()) {
        r->end_loop();
    }
}

void unknown_member() { complain("a member of a struct is used that its gpu_fields do not name"); }

void outside_of_array(std::size_t index, std::size_t count) {
    complain("element " + std::to_string(index) + " of an array of " + std::to_string(count) +
             " does not exist");
}

void literal_does_not_fit(ValueType type) {
    complain("a number of the program does not fit into the " + std::string(to_string(type)) +
             " that it is to be");
}

UInt3 builtin3(Builtin which) {
    return {UInt(builtin(which, 0)), UInt(builtin(which, 1)), UInt(builtin(which, 2))};
}

}  // namespace detail

UInt3 workgroup_size() {
    return {UInt(detail::workgroup_size(0)), UInt(detail::workgroup_size(1)),
            UInt(detail::workgroup_size(2))};
}

UInt4 subgroup_ballot(const Bool& condition) {
    detail::Nodes<UInt4::Host> words;
    detail::ballot(condition.node(), words);
    return detail::from_nodes<UInt4::Host>(words.data());
}

}  // namespace repartir::gpu
