// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_run.hpp `repartir gpu run`.
#include "cli/args.hpp"

namespace repartir::cli {

/// Runs one shader on a GPU of this machine. @return the exit code
[[nodiscard]] int gpu_run_command(const Parsed& parsed);

}  // namespace repartir::cli
