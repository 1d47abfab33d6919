// SPDX-License-Identifier: MIT
#pragma once
/// @file config_file.hpp The configuration file of a daemon, as settings behind flags and
/// environment.
#include <string>

#include "cli/args.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// A longer file is refused before it is read.
inline constexpr std::size_t config_file_bytes_max = 1UL << 20U;

/// Adds what the file says to `parsed`: that of --config or its variable, or else
/// repartir/worker.toml in $XDG_CONFIG_HOME (~/.config), or else in /etc, where there is one.
/// @return the file that was read; empty: none. Errors: not_found and permission_denied (a file
/// that was named, or is there, and cannot be read), invalid_argument (see read_toml; a switch that
/// is neither on nor off; several values for an option that takes one)
[[nodiscard]] Result<std::string> add_config_file(const CommandSpec& command, const EnvLookup& env,
                                                  Parsed& parsed);

}  // namespace repartir::cli
