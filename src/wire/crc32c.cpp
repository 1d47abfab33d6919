// SPDX-License-Identifier: MIT
#include "wire/crc32c.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace repartir::wire {
namespace {

using Table = std::array<std::uint32_t, 256>;

/// Table k takes a byte that has k further bytes behind it in its word.
constexpr std::array<Table, 8> make_tables() {
    constexpr std::uint32_t polynomial = 0x82F63B78;
    std::array<Table, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? polynomial : 0);
        }
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < tables.size(); ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[k - 1][byte];
            tables[k][byte] = (crc >> 8U) ^ tables[0][crc & 0xFFU];
        }
    }
    return tables;
}

constexpr std::array<Table, 8> tables = make_tables();

std::uint64_t word_at(const char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return std::endian::native == std::endian::little ? word : std::byteswap(word);
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t by_instruction(std::string_view bytes,
                                                       std::uint32_t crc) noexcept {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t wide = crc;
    for (; left >= 8; left -= 8, at += 8) {
        wide = _mm_crc32_u64(wide, word_at(at));
    }
    auto narrow = static_cast<std::uint32_t>(wide);
    for (; left > 0; --left, ++at) {
        narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
    }
    return narrow;
}

bool has_instruction() noexcept { return static_cast<bool>(__builtin_cpu_supports("sse4.2")); }
#elif defined(__ARM_FEATURE_CRC32)
std::uint32_t by_instruction(std::string_view bytes, std::uint32_t crc) noexcept {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) {
        crc = __crc32cd(crc, word_at(at));
    }
    for (; left > 0; --left, ++at) {
        crc = __crc32cb(crc, static_cast<unsigned char>(*at));
    }
    return crc;
}

constexpr bool has_instruction() noexcept { return true; }
#else
std::uint32_t by_instruction(std::string_view, std::uint32_t crc) noexcept { return crc; }

constexpr bool has_instruction() noexcept { return false; }
#endif

}  // namespace

std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t before) noexcept {
    std::uint32_t crc = ~before;
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) {
        const std::uint64_t word = word_at(at) ^ crc;
        crc = 0;
        for (unsigned byte = 0; byte < 8; ++byte) {
            crc ^= tables[7 - byte][(word >> (8 * byte)) & 0xFFU];
        }
    }
    for (; left > 0; --left, ++at) {
        crc = (crc >> 8U) ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFFU];
    }
    return ~crc;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) noexcept {
    return has_instruction() ? ~by_instruction(bytes, ~before) : crc32c_by_table(bytes, before);
}

}  // namespace repartir::wire
