// SPDX-License-Identifier: MIT
#pragma once
/// @file emit.hpp From steps to SPIR-V.
#include <cstdint>
#include <string>
#include <vector>

#include "exec/gpu/dsl/ir.hpp"
#include "repartir/kernel.hpp"

namespace repartir::gpu::dsl {

/// @return the module as SPIR-V 1.3 for Vulkan 1.2, entry "main". Whatever its buffers hold, it
/// accesses nothing outside of them and computes the same as run_on_cpu().
/// @param outline the module's
[[nodiscard]] std::vector<std::uint32_t> emit(const Module& module, const Outline& outline);

/// @return the module as a kernel; one with an error where outline() refuses it.
[[nodiscard]] Kernel compiled(std::string name, Module module);

}  // namespace repartir::gpu::dsl
