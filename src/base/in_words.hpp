// SPDX-License-Identifier: MIT
#pragma once
/// @file in_words.hpp Times as people read them.
#include <chrono>
#include <string>

namespace repartir::base {

/// @return a time with three digits and its unit: "0 ms", "740 ns", "12.3 us", "1.25 ms", "61.0 s",
/// "3600 s". Negative ones as 0.
[[nodiscard]] std::string in_words(std::chrono::nanoseconds time);

}  // namespace repartir::base
