// SPDX-License-Identifier: MIT
#pragma once
/// @file wgsl.hpp WGSL to SPIR-V, by naga (src/exec/gpu/wgsl).
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "exec/gpu/kernel/constants.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// @return whether WGSL's compiler was built in.
[[nodiscard]] bool has_wgsl() noexcept;

/// Compiles one entry point (empty: the only one of the compute stage), with its overrides
/// resolved. The code checks its indices: one that is out of range means the array's last element,
/// in buffers as elsewhere. Any thread, several at once; the first call silences what Rust prints
/// of panics in this copy of naga.
///
/// Errors (Domain::gpu): malformed (diagnostic.hpp), too_large, out_of_resources; unsupported: it
/// was not built in.
[[nodiscard]] Result<std::vector<std::uint32_t>> compile_wgsl(
    std::string_view source, std::string_view entry, std::span<const NamedConstant> constants);

}  // namespace repartir::gpu
