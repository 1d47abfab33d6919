// SPDX-License-Identifier: MIT
#pragma once
/// @file toml_file.hpp Flat TOML files as settings by name.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::cli {

/// One key of a file: its value as a flag would give it, a list as several.
struct FileSetting {
    std::string key;
    std::vector<std::string> values;
    std::uint32_t line = 0;
};

/// Reads TOML text (version 1.0) whose keys are known and stand in no table. Values are strings of
/// one line, decimal whole numbers, true and false, and lists of these; the rest of TOML is
/// refused, none of it misread. @param file its name, for errors
/// @return the settings in the order of lines. Errors: invalid_argument (what is no TOML, an
/// unknown key, with the nearest known one, a value of another type), naming file and line
[[nodiscard]] Result<std::vector<FileSetting>> read_toml(std::string_view file,
                                                         std::string_view text,
                                                         std::span<const std::string_view> keys);

}  // namespace repartir::cli
