// SPDX-License-Identifier: MIT
#pragma once
/// @file run.hpp `repartir run`.
#include "cli/args.hpp"

namespace repartir::cli {

/// Carries `repartir run` out. Blocks signals in the calling thread: to be called from main.
/// @return the exit code
[[nodiscard]] int run_command(const Parsed& parsed);

}  // namespace repartir::cli
