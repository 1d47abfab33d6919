// SPDX-License-Identifier: MIT
#pragma once
/// @file dispatch.hpp A shader task as the call of a function that workers with GPUs have: its
/// arguments are the dispatch, what it gives are the bytes of its outputs, one after the other.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "repartir/dispatch.hpp"
#include "repartir/result.hpp"

namespace repartir::wire {

/// The name of that function. Names that begin so are not for functions of others.
inline constexpr std::string_view reserved_prefix = "repartir:";
inline constexpr std::string_view shader_function = "repartir:shader";

/// @return a dispatch, as the arguments of that function. @param words its shader, compiled and
/// checked, with the values of its constants @param entry its entry point
[[nodiscard]] std::string encode_dispatch(const gpu::Dispatch& task,
                                          std::span<const std::uint32_t> words,
                                          std::string_view entry);

/// @return the dispatch, which nobody has checked beyond that: its shader may be no SPIR-V.
/// Errors: malformed
[[nodiscard]] Result<gpu::Dispatch> read_dispatch(std::string_view arguments);

/// @return what its outputs have together; UINT64_MAX where that is more.
[[nodiscard]] std::uint64_t output_bytes(const gpu::Dispatch& task) noexcept;
/// @return what its inputs have together; UINT64_MAX where that is more.
[[nodiscard]] std::uint64_t input_bytes(const gpu::Dispatch& task) noexcept;

}  // namespace repartir::wire
