// SPDX-License-Identifier: MIT
#pragma once
/// @file manual.hpp Help, shell completion and the manual page, all made from the table of options.
#include <string>
#include <string_view>

#include "cli/args.hpp"

namespace repartir::cli {

/// @return what `repartir --help` prints.
[[nodiscard]] std::string overview_text();
/// @return what `repartir WORD --help` prints where commands of two words begin with that one.
[[nodiscard]] std::string group_text(std::string_view word);
/// @return what `repartir COMMAND --help` prints, in lines of at most 80 columns.
[[nodiscard]] std::string help_text(const CommandSpec& command);
/// @return a completion script for bash.
[[nodiscard]] std::string bash_completion();
/// @return a completion script for zsh.
[[nodiscard]] std::string zsh_completion();
/// @return the manual page repartir(1) in roff.
[[nodiscard]] std::string man_page();

}  // namespace repartir::cli
