// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_shader.hpp `repartir gpu validate` and `repartir gpu compile`.
#include "cli/args.hpp"
#include "exec/gpu/kernel/compile.hpp"

namespace repartir::cli {

/// Reads and compiles the shader that the command line names, with the constants that it gives.
/// Errors: as of Shader::from_file and gpu::compile; invalid_argument.
[[nodiscard]] Result<gpu::Compiled> compile_named(const Parsed& parsed);
/// Says why a shader cannot be used, on standard error. @return the exit code
[[nodiscard]] int refuse_shader(const Error& error);
/// @return whether the command line names one file; else a sentence is on standard error.
[[nodiscard]] bool names_one_file(const Parsed& parsed, std::string_view command);

/// Says what a shader asks for, or why it cannot be run. @return the exit code
[[nodiscard]] int gpu_validate_command(const Parsed& parsed);
/// Writes a shader as SPIR-V. @return the exit code
[[nodiscard]] int gpu_compile_command(const Parsed& parsed);

}  // namespace repartir::cli
