// SPDX-License-Identifier: MIT
#pragma once
/// @file plain_output.hpp Text to a standard stream where waiting for the reader is fine.
#include <string_view>

namespace repartir::cli {

/// Writes all of it to standard output. @return false when that failed; a sentence is on standard
/// error.
[[nodiscard]] bool print(std::string_view text);
/// Writes a sentence of ours to standard error, "repartir: " in front; failing is ignored.
void complain(std::string_view sentence);

}  // namespace repartir::cli
