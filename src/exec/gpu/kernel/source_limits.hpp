// SPDX-License-Identifier: MIT
#pragma once
/// @file source_limits.hpp What a text may be before a recursive compiler reads it, and the stack
/// on which it does.
#include <cstddef>
#include <functional>
#include <string_view>

#include "repartir/result.hpp"

namespace repartir::gpu {

inline constexpr std::size_t source_bytes_max = std::size_t{1} << 20U;
inline constexpr std::size_t nesting_max = 200;            ///< of brackets
inline constexpr std::size_t statement_steps_max = 4000;   ///< operators between separators
inline constexpr std::size_t statement_parts_max = 50000;  ///< commas of one statement
inline constexpr std::size_t else_max = 2000;              ///< each nests in the one before
inline constexpr std::size_t macros_max = 1000;            ///< #define
inline constexpr std::size_t compiler_stack_bytes = std::size_t{64} << 20U;

/// Refuses a text that would send a recursive compiler deep: a rough look at brackets, operators
/// and `else`, outside comments, that never sees less than a compiler of GLSL or WGSL would.
/// Errors: too_large; malformed: a NUL.
[[nodiscard]] Result<void> check_source(std::string_view source);

/// Runs `compile` to its end on a thread with a stack of compiler_stack_bytes. Errors:
/// out_of_resources: no such thread; internal: it threw.
[[nodiscard]] Result<void> on_large_stack(const std::function<void()>& compile);

}  // namespace repartir::gpu
