// SPDX-License-Identifier: MIT
#pragma once
/// @file constants.hpp Other values for a shader's constants.
#include <cstdint>
#include <span>
#include <vector>

#include "exec/gpu/kernel/interface.hpp"
#include "repartir/dispatch.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// Puts values into a checked module, in place of those that stand there.
/// @param known its constants (Interface::constants)
/// Errors: not_found: there is no such constant; invalid_argument: a value that its type cannot
/// hold.
[[nodiscard]] Result<void> specialize(std::vector<std::uint32_t>& words,
                                      std::span<const Constant> known,
                                      std::span<const NamedConstant> values);

}  // namespace repartir::gpu
