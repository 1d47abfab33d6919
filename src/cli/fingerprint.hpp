// SPDX-License-Identifier: MIT
#pragma once
/// @file fingerprint.hpp 128-bit fingerprints of commands and 32-bit checksums of records.
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace repartir::cli {

/// Stands for a text. Two texts share one by accident with a chance of 2^-128; not for secrets.
struct Fingerprint {
    std::array<std::uint64_t, 2> words{};
    auto operator<=>(const Fingerprint&) const = default;  ///< order of the words
};

/// Makes a fingerprint of a sequence of fields: ("ab", "c") and ("a", "bc") differ. A value.
/// Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012
/// (SipHash-2-4-128 with the key zero).
class Fingerprinter {
  public:
    /// Adds a field.
    void add(std::string_view field) noexcept;
    /// @return the fingerprint of the fields so far; the Fingerprinter may not be used again.
    [[nodiscard]] Fingerprint finish() noexcept;

  private:
    void bytes(std::string_view text) noexcept;
    void round() noexcept;
    void absorb(std::uint64_t word) noexcept;

    std::array<std::uint64_t, 4> v_{0x736f6d6570736575ULL, 0x646f72616e646f6dULL ^ 0xEEU,
                                    0x6c7967656e657261ULL, 0x7465646279746573ULL};
    std::uint64_t tail_ = 0;    // bytes that do not fill a word yet
    std::uint64_t length_ = 0;  // bytes in all
};

/// @return 32 hexadecimal digits.
[[nodiscard]] std::string to_string(const Fingerprint& fingerprint);
/// Reads what to_string wrote; nothing when the text is anything else.
[[nodiscard]] std::optional<Fingerprint> parse_fingerprint(std::string_view text) noexcept;

/// @return the CRC-32 (IEEE 802.3, as gzip has it) of the bytes.
[[nodiscard]] std::uint32_t crc32(std::string_view bytes) noexcept;

}  // namespace repartir::cli
