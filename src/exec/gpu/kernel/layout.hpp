// SPDX-License-Identifier: MIT
#pragma once
/// @file layout.hpp How large types are.
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "exec/gpu/kernel/module.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// @return the sum and the product; bytes_endless when they do not fit.
[[nodiscard]] std::uint64_t add_bytes(std::uint64_t a, std::uint64_t b) noexcept;
[[nodiscard]] std::uint64_t multiply_bytes(std::uint64_t a, std::uint64_t b) noexcept;
/// @return such as "4096 bytes".
[[nodiscard]] std::string in_bytes(std::uint64_t bytes);

/// @return the Error for pointers in places where they could be anything.
[[nodiscard]] Error pointer_refusal();

/// @return the type that an instruction declares, out of what came before it; nothing: it declares
/// none. Errors: unsupported, too_large.
[[nodiscard]] Result<std::optional<Type>> lay_out(const Module& module, spv::Op op,
                                                  std::span<const std::uint32_t> words);

}  // namespace repartir::gpu
