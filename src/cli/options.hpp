// SPDX-License-Identifier: MIT
#pragma once
/// @file options.hpp The one table: every command, option, environment name and example of the
/// program.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "cli/args.hpp"

namespace repartir::cli {

/// @return every command, hidden ones included, in the order of help.
[[nodiscard]] std::span<const CommandSpec> commands() noexcept;
/// @return the command of that name; nullptr when there is none.
[[nodiscard]] const CommandSpec* find_command(std::string_view name) noexcept;
/// @return the command that these words begin with; nullptr when there is none. @param used how
/// many of them name it
[[nodiscard]] const CommandSpec* command_of(std::span<const std::string> words,
                                            std::size_t& used) noexcept;
/// @return the version of the program, such as "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace repartir::cli
