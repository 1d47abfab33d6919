// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/layout.hpp"

#include <algorithm>

#include "exec/gpu/kernel/refusal.hpp"

namespace repartir::gpu {
namespace {

using enum spv::Op;
using Kind = Type::Kind;
using Words = std::span<const std::uint32_t>;

std::uint64_t rounded_up(std::uint64_t bytes, std::uint64_t alignment) {
    return bytes > bytes_endless - alignment ? bytes_endless
                                             : (bytes + alignment - 1) / alignment * alignment;
}

/// The bytes of `count` elements, `stride` apart, the last of `bytes`.
std::uint64_t row_of(std::uint64_t count, std::uint64_t stride, std::uint64_t bytes) {
    return count == 0 ? 0 : add_bytes(multiply_bytes(count - 1, stride), bytes);
}

Type scalar(Kind kind, std::uint32_t width) {
    Type type;
    type.kind = kind;
    type.width = width;
    type.bytes = width / 8;
    type.plain_bytes = kind == Kind::boolean ? 4 : width / 8;
    type.plain_alignment = std::max<std::uint64_t>(type.plain_bytes, 1);
    return type;
}

Type vector_or_matrix(const Module& module, Kind kind, Id element, std::uint32_t count) {
    const Type& part = of(module.types, element);
    Type type;
    type.kind = kind;
    type.element = element;
    type.count = count;
    if (kind == Kind::vector) {
        type.bytes = multiply_bytes(count, part.bytes);
        type.plain_alignment = part.plain_alignment * (count == 3 ? 4 : count);
    } else {
        type.plain_alignment = part.plain_alignment;
    }
    type.plain_bytes = multiply_bytes(
        count, kind == Kind::matrix ? rounded_up(part.plain_bytes, part.plain_alignment)
                                    : part.plain_bytes);
    return type;
}

Result<Type> array(const Module& module, Words words) {
    const auto length = module.constants.find(words[3]);
    if (length == module.constants.end()) {
        return fail(refusal(Code::unsupported,
                            "the length of an array is computed from specialization constants in a "
                            "way that Repartir does not follow; use + - * / and % on 32-bit "
                            "integers"));
    }
    const std::uint64_t count = length->second.bits;
    if (count == 0) {
        return fail(refusal(Code::malformed, "an array has the length 0; it needs an element"));
    }
    const Type& element = of(module.types, words[2]);
    Type type;
    type.kind = Kind::array;
    type.element = words[2];
    type.stride = of(module.decorations, words[1]).array_stride.value_or(0);
    type.bytes = row_of(count, type.stride, element.bytes);
    type.matrix = element.kind == Kind::matrix ? words[2] : element.matrix;
    type.plain_alignment = element.plain_alignment;
    type.plain_bytes =
        multiply_bytes(count, rounded_up(element.plain_bytes, element.plain_alignment));
    return type;
}

/// The bytes of a matrix that is, or lies in arrays in, a member with these decorations.
std::uint64_t matrix_bytes(const Module& module, Id matrix, const Decorations& member) {
    const Type& type = of(module.types, matrix);
    const Type& column = of(module.types, type.element);
    const std::uint64_t scalar = of(module.types, column.element).bytes;
    const std::uint64_t stride = member.matrix_stride.value_or(0);
    return member.row_major ? row_of(column.count, stride, type.count * scalar)
                            : row_of(type.count, stride, column.count * scalar);
}

Type structure(const Module& module, Words words) {
    const std::vector<Decorations>& decorations = of(module.member_decorations, words[1]);
    Type type;
    type.kind = Kind::structure;
    type.all_read_only = type.all_write_only = words.size() > 2;
    for (std::size_t i = 0; i + 2 < words.size(); ++i) {
        const Type& member = of(module.types, words[i + 2]);
        const Decorations decorated = i < decorations.size() ? decorations[i] : Decorations{};
        type.all_read_only &= decorated.non_writable;
        type.all_write_only &= decorated.non_readable;
        const Id matrix = member.kind == Kind::matrix ? words[i + 2] : member.matrix;
        std::uint64_t end = add_bytes(decorated.offset.value_or(0), member.bytes);
        if (matrix != 0) {
            end = add_bytes(end, matrix_bytes(module, matrix, decorated));
        }
        type.bytes = std::max(type.bytes, end);
        type.tail_stride = member.kind == Kind::runtime_array ? member.stride : type.tail_stride;
        type.plain_alignment = std::max(type.plain_alignment, member.plain_alignment);
        type.plain_bytes =
            add_bytes(rounded_up(type.plain_bytes, member.plain_alignment), member.plain_bytes);
    }
    type.plain_bytes = rounded_up(type.plain_bytes, type.plain_alignment);
    return type;
}

}  // namespace

std::uint64_t add_bytes(std::uint64_t a, std::uint64_t b) noexcept {
    return b > bytes_endless - a ? bytes_endless : a + b;
}

std::uint64_t multiply_bytes(std::uint64_t a, std::uint64_t b) noexcept {
    return a != 0 && b > bytes_endless / a ? bytes_endless : a * b;
}

std::string in_bytes(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

Error pointer_refusal() {
    return refusal(
        Code::unsupported,
        "the shader keeps pointers where they could be anything: in variables, "
        "structures, arrays, or without a value; use them only to reach into a variable");
}

Result<std::optional<Type>> lay_out(const Module& module, spv::Op op, Words words) {
    const auto is_pointer = [&](Id id) { return of(module.types, id).kind == Kind::pointer; };
    switch (op) {
        case OpTypeBool:
            return scalar(Kind::boolean, 32);
        case OpTypeFloat:
            return scalar(Kind::floating, words[2]);
        case OpTypeInt: {
            Type type = scalar(Kind::integer, words[2]);
            type.is_signed = words[3] != 0;
            return type;
        }
        case OpTypeVector:
            return vector_or_matrix(module, Kind::vector, words[2], words[3]);
        case OpTypeMatrix:
            return vector_or_matrix(module, Kind::matrix, words[2], words[3]);
        case OpTypeArray:
            return is_pointer(words[2]) ? fail(pointer_refusal()) : array(module, words);
        case OpTypeRuntimeArray: {
            if (is_pointer(words[2])) {
                return fail(pointer_refusal());
            }
            Type type;
            type.kind = Kind::runtime_array;
            type.element = words[2];
            type.stride = of(module.decorations, words[1]).array_stride.value_or(0);
            return type;
        }
        case OpTypeStruct:
            if (std::ranges::any_of(words.subspan(2), is_pointer)) {
                return fail(pointer_refusal());
            }
            return structure(module, words);
        case OpTypePointer: {
            if (is_pointer(words[3])) {
                return fail(pointer_refusal());
            }
            Type type;
            type.kind = Kind::pointer;
            type.element = words[3];
            type.storage = static_cast<spv::StorageClass>(words[2]);
            return type;
        }
        default:
            return std::nullopt;
    }
}

}  // namespace repartir::gpu
