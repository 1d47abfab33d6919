// SPDX-License-Identifier: MIT
#pragma once
/// @file constants.hpp Other values for a shader's constants.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exec/gpu/kernel/interface.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// A value for a constant: of WGSL an `override`, else one with a constant_id (SpecId).
struct NamedConstant {
    std::string name;  ///< the shader's name for it, or the digits of its id
    double value = 0;  ///< of a boolean, 0 or something else
};

/// Puts values into a checked module, in place of those that stand there.
/// @param known its constants (Interface::constants)
/// Errors: not_found: there is no such constant; invalid_argument: a value that its type cannot
/// hold.
[[nodiscard]] Result<void> specialize(std::vector<std::uint32_t>& words,
                                      std::span<const Constant> known,
                                      std::span<const NamedConstant> values);

}  // namespace repartir::gpu
