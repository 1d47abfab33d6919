// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_shader.hpp `repartir gpu validate` and `repartir gpu compile`.
#include "cli/args.hpp"

namespace repartir::cli {

/// Says what a shader asks for, or why it cannot be run. @return the exit code
[[nodiscard]] int gpu_validate_command(const Parsed& parsed);
/// Writes a shader as SPIR-V. @return the exit code
[[nodiscard]] int gpu_compile_command(const Parsed& parsed);

}  // namespace repartir::cli
