// SPDX-License-Identifier: MIT
#pragma once
/// @file allowed.hpp Which capabilities, extensions and instruction sets a shader may use, and how
/// complex it may be to be validated.
#include <cstdint>
#include <span>

#include "exec/gpu/kernel/interface.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// Parses the module, whose header has been looked at, instruction by instruction.
/// @return the features that what it declares needs. Errors: malformed, unsupported, too_large.
[[nodiscard]] Result<Features> check_allowed(std::span<const std::uint32_t> words);

}  // namespace repartir::gpu
