// SPDX-License-Identifier: MIT
#pragma once
/// @file worker.hpp `repartir worker`.
#include "cli/args.hpp"

namespace repartir::cli {

/// Carries `repartir worker` out. Blocks signals in the calling thread and may fork: to be called
/// from main, before any thread. @param env the variables of this process
/// @return the exit code
[[nodiscard]] int worker_command(Parsed parsed, const EnvLookup& env);

}  // namespace repartir::cli
