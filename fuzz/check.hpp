// SPDX-License-Identifier: MIT
#pragma once
/// @file check.hpp What the fuzzers share: a check that ends the run, and splitting of their input.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace repartir::fuzz {

/// Ends the run, so that libFuzzer keeps the input, unless `holds`; says which check it was.
inline void check(bool holds, const std::source_location& where = std::source_location::current()) {
    if (!holds) {
        std::fprintf(stderr, "%s:%u: a check failed\n", where.file_name(), where.line());
        std::abort();
    }
}

/// @return the fuzzer's input as text.
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    // SAFETY: any object may be looked at as char.
    return {reinterpret_cast<const char*>(data), size};
}

/// @return the pieces of `text` between the bytes `at`; one more than there are such bytes.
inline std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> pieces(1);
    for (const char c : text) {
        if (c == at) {
            pieces.emplace_back();
        } else {
            pieces.back() += c;
        }
    }
    return pieces;
}

}  // namespace repartir::fuzz
