// SPDX-License-Identifier: MIT
#pragma once
/// @file options.hpp The one table: every command, option, environment name and example of the
/// program.
#include <span>
#include <string_view>

#include "cli/args.hpp"

namespace repartir::cli {

/// @return every command, hidden ones included, in the order of help.
[[nodiscard]] std::span<const CommandSpec> commands() noexcept;
/// @return the command of that name; nullptr when there is none.
[[nodiscard]] const CommandSpec* find_command(std::string_view name) noexcept;
/// @return the version of the program, such as "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace repartir::cli
