// SPDX-License-Identifier: MIT
#pragma once
/// @file diagnostic.hpp What a compiler has against a text, shown beside the text.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "repartir/result.hpp"

namespace repartir::gpu {

/// One complaint.
struct Diagnostic {
    std::size_t line = 0;    ///< from 1; 0: of no line
    std::size_t column = 0;  ///< in bytes, from 1; 0: of the line as a whole
    std::string message;
};

/// @return where `word` stands in that line, not as a part of a longer one; 0: nowhere.
[[nodiscard]] std::size_t column_of(std::string_view source, std::size_t line,
                                    std::string_view word);

/// @return the Error malformed that shows each complaint, the first ten of them, with its line and
/// a caret below it:
///
///     the GLSL does not compile: 3:5: 'x' : undeclared identifier
///         x = 1;
///         ^
[[nodiscard]] Error does_not_compile(std::string_view language, std::string_view source,
                                     std::span<const Diagnostic> diagnostics);

}  // namespace repartir::gpu
