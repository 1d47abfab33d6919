// SPDX-License-Identifier: MIT
#pragma once
/// @file text.hpp Small pieces of text: joining, quoting, numbers that people write and read.
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "repartir/result.hpp"

namespace repartir::cli {

/// @return the parts joined without anything between them.
[[nodiscard]] std::string cat(std::initializer_list<std::string_view> parts);
/// @return the text, with blanks behind it where it is shorter than `width`.
[[nodiscard]] std::string padded(std::string_view text, std::size_t width);
/// @return the number in decimal.
[[nodiscard]] std::string number(std::uint64_t value);
/// @return one word that a POSIX shell reads back as `word`, quoted only where it must be.
[[nodiscard]] std::string shell_quote(std::string_view word);
/// @return `text` for one line of a message: control bytes as \xNN, at most `max` bytes and an
/// ellipsis.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max = 120);
/// @return a duration for people: "1.2 ms", "3.4 s", "2 min 5 s", "1 h 2 min".
[[nodiscard]] std::string human_duration(std::chrono::nanoseconds value);
/// @return a size for people, in binary units: "512 B", "4.0 KiB", "1.5 GiB".
[[nodiscard]] std::string human_size(std::uint64_t bytes);

/// @return the Error for a request that cannot be carried out as written; the program exits with 2.
[[nodiscard]] Error usage_error(std::string sentence);

/// Reads a whole decimal number. @param what names it in the error, such as "--workers".
/// Errors: invalid_argument, when it is no number or not in [min, max].
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view what, std::string_view text,
                                                std::uint64_t min, std::uint64_t max);
/// Reads 500ms, 5s, 1.5s, 2m, 1h or a bare number of seconds. Errors: invalid_argument.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view what,
                                                               std::string_view text);
/// Reads 4096, 512K, 512M, 2G, 1T (powers of 1024; "KiB" and "KB" are read alike). Errors:
/// invalid_argument.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view what, std::string_view text);
/// Reads 1, true, yes, on or 0, false, no, off. Errors: invalid_argument.
[[nodiscard]] Result<bool> parse_bool(std::string_view what, std::string_view text);

}  // namespace repartir::cli
