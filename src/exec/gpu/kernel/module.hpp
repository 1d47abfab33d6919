// SPDX-License-Identifier: MIT
#pragma once
/// @file module.hpp What stands in a module of SPIR-V, as far as its interface depends on it.
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <spirv/unified1/spirv.hpp11>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/gpu/kernel/interface.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

using Id = std::uint32_t;

/// A size in bytes that cannot be expressed, and so is too large for anything.
inline constexpr std::uint64_t bytes_endless = ~std::uint64_t{0};

struct Type {
    enum class Kind : std::uint8_t {
        other,
        boolean,
        integer,
        floating,
        vector,
        matrix,
        array,
        runtime_array,
        structure,
        pointer,
    };
    Kind kind = Kind::other;
    bool is_signed = false;
    std::uint32_t width = 0;      ///< of a scalar, in bits
    Id element = 0;               ///< of a vector, matrix, array; what a pointer points to
    std::uint32_t count = 0;      ///< components of a vector, columns of a matrix
    std::uint32_t stride = 0;     ///< ArrayStride
    spv::StorageClass storage{};  ///< of a pointer

    // As decorated, for buffers. An array of matrices learns its matrix' stride only as a member.
    std::uint64_t bytes = 0;  ///< without that matrix; of a structure, before its runtime array
    Id matrix = 0;            ///< the innermost element, where that is a matrix
    std::uint32_t tail_stride = 0;  ///< of the runtime array at a structure's end
    bool all_read_only = false;     ///< every member is NonWritable
    bool all_write_only = false;    ///< every member is NonReadable

    // As a compiler lays it out for memory that only the shader sees.
    std::uint64_t plain_bytes = 0;
    std::uint64_t plain_alignment = 1;
};

/// A constant of up to 64 bits, with the value that stands in the module.
struct ConstantValue {
    Id type = 0;
    std::uint64_t bits = 0;
    std::size_t word = 0;  ///< where in the module its instruction begins
};

struct Variable {
    Id type = 0;  ///< a pointer's
    spv::StorageClass storage{};
};

/// Decorations of an id, or of a member of one.
struct Decorations {
    std::optional<std::uint32_t> set, binding, built_in, offset, spec_id, array_stride,
        matrix_stride;
    bool block = false, buffer_block = false, row_major = false;
    bool non_writable = false, non_readable = false;
};

struct EntryPoint {
    Id function = 0;
    std::string name;
    std::array<std::uint32_t, 3> size{};  ///< LocalSize
    std::array<Id, 3> size_ids{};         ///< LocalSizeId; 0: none
};

/// How a function touches a variable that other invocations or the host see.
struct Access {
    Id variable = 0;
    bool reads = false;
    bool writes = false;
};

struct Function {
    std::vector<Access> accesses;
    std::vector<Id> calls;
};

struct Module {
    std::unordered_map<Id, std::string> names;
    std::unordered_map<Id, Decorations> decorations;
    std::unordered_map<Id, std::vector<Decorations>> member_decorations;
    std::unordered_map<Id, Type> types;
    std::unordered_map<Id, ConstantValue> constants;
    std::unordered_map<Id, Variable> variables;  ///< of the module
    std::unordered_map<Id, Function> functions;
    std::vector<EntryPoint> entry_points;
    std::unordered_map<Id, std::vector<Id>> vectors;  ///< constants: their components
    Id workgroup_size = 0;               ///< the vector that is decorated so; 0: there is none
    std::uint64_t invocation_bytes = 0;  ///< variables of one invocation
    Features features;                   ///< which only the instructions tell
};

/// @return what a map of the module has for an id; one without anything where it has nothing.
template <class T>
[[nodiscard]] const T& of(const std::unordered_map<Id, T>& map, Id id) {
    static const T none{};
    const auto found = map.find(id);
    return found == map.end() ? none : found->second;
}

/// Reads a module that spirv-tools found valid. Errors: unsupported, too_large: sizes that are no
/// constants, pointers in odd places.
[[nodiscard]] Result<Module> read_module(std::span<const std::uint32_t> words);

}  // namespace repartir::gpu
