// SPDX-License-Identifier: MIT
#pragma once
/// @file trace.hpp What the traced types call while a kernel is recorded; out of line, so that a
/// kernel compiles quickly. Not for direct use.
///
/// The functions find the recording in a thread-local pointer, as operators take no more arguments.
/// After the first mistake, and outside of kernel(), they do nothing; kernel() tells.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "repartir/gpu/op.hpp"

namespace repartir::gpu::detail {

/// A value, a variable or an object of the kernel that is being recorded, by number. Each recording
/// has another `kernel`, so that what is taken from one to another is found out.
struct Node {
    std::uint32_t id = 0;
    std::uint32_t kernel = 0;  ///< 0: of none
};

/// A place in a buffer, in workgroup memory or in a local array.
struct Place {
    Node object;
    Node index;               ///< of the element
    Node inside;              ///< of none, or how many bytes further, times the storage's size
    std::uint32_t bytes = 0;  ///< in the element
};

/// Where an object lives.
enum class Space : std::uint8_t { buffer, workgroup, local };

/// Makes the kernel be one that carries an Error, unless it is already. @param sentence what the
/// author did, why that cannot be, what to do
void complain(std::string_view sentence);

[[nodiscard]] Node literal(ValueType type, std::uint64_t bits);
[[nodiscard]] Node builtin(Builtin which, std::uint32_t axis = 0);
[[nodiscard]] Node length(Node object);
[[nodiscard]] Node constant(std::string_view name, ValueType type, std::uint64_t bits);
/// @return the number of invocations along an axis, as a literal.
[[nodiscard]] Node workgroup_size(std::uint32_t axis);

/// @return what a step makes of its operands.
[[nodiscard]] Node apply(Op op, Node a);
[[nodiscard]] Node apply(Op op, Node a, Node b);
[[nodiscard]] Node apply(Op op, Node a, Node b, Node c);
/// @param op convert or bit_cast
[[nodiscard]] Node change(Op op, ValueType to, Node a);
void ballot(Node condition, std::span<Node, 4> words);
/// Records a step that gives nothing.
void act(Op op);

[[nodiscard]] Node new_variable(std::span<const ValueType> leaves);
/// @param first of as many variables as there are nodes
void get(Node first, std::span<Node> values);
void set(Node first, std::span<const Node> values);

/// @param leaves of one element @param count of elements; for a buffer 0
[[nodiscard]] Node new_object(Space space, BufferAccess access, std::span<const ValueType> leaves,
                              std::size_t count);
[[nodiscard]] Node push_constant(ValueType type, std::uint32_t alignment);
/// @return the place's element of an array inside of it. @param each bytes of one
[[nodiscard]] Place inside(const Place& place, Node index, std::size_t count, std::size_t each);
/// @return any index as UInt: a negative one is out of every bound.
[[nodiscard]] Node as_index(Node index);
void load(const Place& place, std::span<const ValueType> leaves, std::span<Node> values);
void store(const Place& place, std::span<const ValueType> leaves, std::span<const Node> values);
[[nodiscard]] Node atomic(Op op, const Place& place, ValueType type, Node a, Node b = {});

/// Where a chain of If and ElseIf ended, so that an Else can go on there.
struct Chain {
    std::uint32_t end = 0;     ///< the step that ends the last If
    std::uint32_t values = 0;  ///< how many there were then
    std::uint32_t depth = 1;   ///< how many ends stand there
};
void begin_if(Node condition);
[[nodiscard]] Chain end_if();
/// @param directly whether nothing may have been recorded since the chain's end; else that becomes
/// the beginning of this body: it is the next condition
void begin_else(const Chain& chain, bool directly);
void end_else(Chain& chain);
void begin_loop();
[[nodiscard]] Node begin_for(Node from, Node to, Node step);
void end_loop();

}  // namespace repartir::gpu::detail
