// SPDX-License-Identifier: MIT
#pragma once
/// @file config.hpp `repartir config show`.
#include "cli/args.hpp"

namespace repartir::cli {

/// Carries `repartir config show` out. @param env the variables of this process
/// @return the exit code
[[nodiscard]] int config_show_command(Parsed parsed, const EnvLookup& env);

}  // namespace repartir::cli
