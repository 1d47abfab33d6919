// SPDX-License-Identifier: MIT
#pragma once
/// @file glsl.hpp GLSL to SPIR-V, by glslang's library.
#include <cstdint>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::gpu {

/// glslang's tables of built-in functions, which it keeps in globals of its own, behind a lock of
/// its own, as long as anybody holds one of these. Every compilation does; who holds one besides
/// saves the 0.1 s that it takes to make them anew. Any thread.
class GlslTables {
  public:
    GlslTables();
    GlslTables(const GlslTables&) = delete;
    GlslTables& operator=(const GlslTables&) = delete;
    ~GlslTables();
};

/// Compiles a compute shader for Vulkan 1.2. Files cannot be included. Any thread, several at once.
/// A text that is made for it (macros that double, again and again) can take time and memory
/// without end, so this is for texts of the caller's own; what others send is SPIR-V. Errors
/// (Domain::gpu): malformed (diagnostic.hpp), too_large, out_of_resources.
[[nodiscard]] Result<std::vector<std::uint32_t>> compile_glsl(std::string_view source);

}  // namespace repartir::gpu
