// SPDX-License-Identifier: MIT
#pragma once
/// @file pki.hpp `repartir pki init`, `issue`, `revoke` and `show`.
#include <string_view>

#include "cli/args.hpp"

namespace repartir::cli {

/// Carries out one of them. @param name "pki init" and so on
/// @return the exit code
[[nodiscard]] int pki_command(std::string_view name, const Parsed& parsed);

}  // namespace repartir::cli
