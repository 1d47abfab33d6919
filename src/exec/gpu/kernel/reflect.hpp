// SPDX-License-Identifier: MIT
#pragma once
/// @file reflect.hpp From what stands in a module to the interface of one entry point.
#include <string_view>

#include "exec/gpu/kernel/interface.hpp"
#include "exec/gpu/kernel/module.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// Holds all of the module to the rules and limits of check.hpp, and describes one entry point.
/// @param entry its name; empty: the only one
/// Errors: malformed, unsupported, too_large, not_found.
[[nodiscard]] Result<Interface> reflect(const Module& module, std::string_view entry);

}  // namespace repartir::gpu
