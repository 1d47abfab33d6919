// SPDX-License-Identifier: MIT
#include "cli/fingerprint.hpp"

#include <bit>
#include <charconv>

namespace repartir::cli {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1U) != 0 ? 0xEDB88320U ^ (value >> 1U) : value >> 1U;
        }
        table[i] = value;
    }
    return table;
}();

}  // namespace

void Fingerprinter::round() noexcept {
    v_[0] += v_[1];
    v_[2] += v_[3];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[1];
    v_[0] += v_[3];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] = std::rotl(v_[2], 32);
}

void Fingerprinter::absorb(std::uint64_t word) noexcept {
    v_[3] ^= word;
    round();
    round();
    v_[0] ^= word;
}

void Fingerprinter::bytes(std::string_view text) noexcept {
    for (const char c : text) {
        tail_ |= std::uint64_t{static_cast<unsigned char>(c)} << (length_ % 8 * 8);
        if (++length_ % 8 == 0) {
            absorb(tail_);
            tail_ = 0;
        }
    }
}

void Fingerprinter::add(std::string_view field) noexcept {
    std::array<char, 8> size{};
    for (std::size_t i = 0; i < size.size(); ++i) {
        size[i] = static_cast<char>((std::uint64_t{field.size()} >> (i * 8)) & 0xFFU);
    }
    bytes(std::string_view(size.data(), size.size()));
    bytes(field);
}

Fingerprint Fingerprinter::finish() noexcept {
    absorb(tail_ | (length_ << 56U));
    Fingerprint result;
    v_[2] ^= 0xEEU;
    for (std::size_t i = 0; i < 2; ++i) {
        for (int n = 0; n < 4; ++n) {
            round();
        }
        result.words[i] = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
        v_[1] ^= 0xDDU;
    }
    return result;
}

std::string to_string(const Fingerprint& fingerprint) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::uint64_t word : fingerprint.words) {
        for (int shift = 60; shift >= 0; shift -= 4) {
            text += digits[(word >> static_cast<unsigned>(shift)) & 15U];
        }
    }
    return text;
}

std::optional<Fingerprint> parse_fingerprint(std::string_view text) noexcept {
    constexpr std::string_view digits = "0123456789abcdef";
    if (text.size() != 32 || text.find_first_not_of(digits) != std::string_view::npos) {
        return std::nullopt;
    }
    Fingerprint result;
    std::from_chars(text.data(), text.data() + 16, result.words[0], 16);
    std::from_chars(text.data() + 16, text.data() + 32, result.words[1], 16);
    return result;
}

std::uint32_t crc32(std::string_view bytes) noexcept {
    std::uint32_t value = 0xFFFFFFFFU;
    for (const char c : bytes) {
        value = crc_table[(value ^ static_cast<unsigned char>(c)) & 0xFFU] ^ (value >> 8U);
    }
    return ~value;
}

}  // namespace repartir::cli
