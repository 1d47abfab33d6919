// SPDX-License-Identifier: MIT
#pragma once
/// @file check.hpp Judges SPIR-V that comes from anybody, before a driver sees it.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "exec/gpu/kernel/interface.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

// What a module may ask for; the first two are looked at before anything else.
inline constexpr std::size_t module_words_max = std::size_t{1} << 20U;
inline constexpr std::uint32_t module_ids_max = std::uint32_t{1} << 20U;
// These bound the time that spirv-tools takes, which grows with their squares, or worse.
inline constexpr std::size_t type_depth_max = 64;
inline constexpr std::size_t type_parts_max = 100'000;  ///< members, and theirs, of all types
inline constexpr std::size_t entry_points_max = 64;
inline constexpr std::size_t functions_max = 1000;
inline constexpr std::size_t blocks_max = 10'000;
inline constexpr std::uint32_t block_nesting_max = 100;
// What one entry point may use.
inline constexpr std::size_t bindings_max = 64;
inline constexpr std::uint32_t binding_number_max = 255;  ///< drivers make tables of that size
inline constexpr std::uint32_t set_number_max = 3;        ///< as every Vulkan device can
inline constexpr std::size_t constants_max = 256;         ///< with a SpecId
inline constexpr std::uint64_t workgroup_invocations_max = 4096;
inline constexpr std::uint64_t shared_bytes_max = std::uint64_t{1} << 18U;
inline constexpr std::uint64_t push_constant_bytes_max = 256;
inline constexpr std::uint64_t uniform_bytes_max = 16384;  ///< of one binding; as every device can
inline constexpr std::uint64_t invocation_bytes_max = std::uint64_t{1} << 18U;  ///< own variables

/// Checks a module and tells what its entry point asks for. The module may be hostile: it is
/// parsed, compared with a list of capabilities and extensions that cannot reach memory outside the
/// bindings, validated by Vulkan's rules, and held to the limits above. Compute shaders only;
/// buffers only, no images. What the device at hand can do is not looked at: that is what
/// `Interface::needs` is for.
///
/// Indices out of range are the driver's to catch (robustBufferAccess) in buffers.
///
/// Pure; any thread. `entry` is the name of the entry point; empty: the only one.
/// Errors (Domain::gpu, Fault::user; one sentence that names what is wrong and what to do):
/// malformed, unsupported, too_large, not_found (no such entry point).
[[nodiscard]] Result<Interface> inspect(std::span<const std::uint32_t> words,
                                        std::string_view entry);

}  // namespace repartir::gpu
