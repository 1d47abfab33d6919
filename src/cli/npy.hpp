// SPDX-License-Identifier: MIT
#pragma once
/// @file npy.hpp Arrays of numbers: their type and shape, and the .npy files that hold them.
///
/// The file's format is NumPy's (NEP 1, "A Simple File Format for NumPy Arrays", versions 1.0 to
/// 3.0): "\x93NUMPY", two bytes of version, the header's length in 2 or 4 bytes, then a Python
/// dictionary with 'descr', 'fortran_order' and 'shape', then the values.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::cli {

/// What one element of an array is.
struct ElementType {
    char kind = 'u';         ///< of NumPy: 'f' floating point, 'i' signed, 'u' unsigned, 'b' bool
    std::uint8_t bytes = 1;  ///< 1, 2, 4 or 8; 16-bit floats are IEEE's half
    bool operator==(const ElementType&) const = default;
};

/// Reads a type: NumPy's names (float32, int8, uint64, ...) and those of shaders that mean only one
/// thing (f16, f32, f64, i16, i32, i64, u16, u32, u64). @return nothing when it is none.
[[nodiscard]] std::optional<ElementType> parse_element(std::string_view name) noexcept;

/// An array's type and shape. The last index is the one that varies fastest.
struct ArrayType {
    ElementType element;
    std::vector<std::uint64_t> shape;  ///< empty: one value
    /// @return its size; nothing when it is more than 2^63.
    [[nodiscard]] std::optional<std::uint64_t> bytes() const noexcept;
    bool operator==(const ArrayType&) const = default;
};

/// What a .npy file's beginning says.
struct NpyHeader {
    ArrayType type;
    std::size_t data_at = 0;  ///< where the values begin
};

/// The longest header that is read; NumPy's are of 128 bytes.
inline constexpr std::size_t npy_header_bytes_max = std::size_t{64} << 10U;

/// Reads the header of a .npy file. @param file its first bytes: all, or npy_header_bytes_max at
/// least. @param name of the file, for sentences
/// Errors (Domain::config): malformed; unsupported (objects, structures, big-endian numbers,
/// Fortran's order).
[[nodiscard]] Result<NpyHeader> read_npy_header(std::string_view file, std::string_view name);
/// @return what stands before the values in a .npy file of version 1.0; a multiple of 64 bytes.
[[nodiscard]] std::string npy_header(const ArrayType& type);

/// @return the values as text: a line for each row, which is the last index; one line when there
/// is no other. Floating-point numbers as short as they can be read back exactly.
/// @param data type.bytes() of them
[[nodiscard]] std::string array_text(const ArrayType& type, std::span<const std::byte> data);

}  // namespace repartir::cli
