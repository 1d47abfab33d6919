// SPDX-License-Identifier: MIT
#pragma once
/// @file config_report.hpp The settings of a daemon and where each comes from, as text and JSON.
#include <string>
#include <string_view>

#include "cli/args.hpp"

namespace repartir::cli {

/// @return a TOML file: what is set as keys, what is at its default as comments. @param file that
/// was read, or empty @param origin also say where each value comes from
[[nodiscard]] std::string config_text(const CommandSpec& command, const Parsed& parsed,
                                      std::string_view file, bool origin);
/// @return the same as one JSON object on a line: {"file": ..., "settings": [{"key", "value",
/// "source", "where", "default"}, ...]}.
[[nodiscard]] std::string config_json(const CommandSpec& command, const Parsed& parsed,
                                      std::string_view file);

}  // namespace repartir::cli
