// SPDX-License-Identifier: MIT
#pragma once
/// @file info.hpp `repartir info`.
#include "cli/args.hpp"

namespace repartir::cli {

/// Prints what the machine offers. @return the exit code
[[nodiscard]] int info_command(const Parsed& parsed);

}  // namespace repartir::cli
