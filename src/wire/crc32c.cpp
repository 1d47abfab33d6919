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
consteval std::array<Table, 8> make_tables() {
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

/// So many bytes are one of three stripes that are taken side by side: the instruction's result is
/// there three cycles later, but it can begin every cycle.
constexpr std::size_t stripe_bytes = 2048;

/// Columns of a 32 x 32 matrix over GF(2): where each bit of a checksum goes.
using Matrix = std::array<std::uint32_t, 32>;

consteval std::uint32_t times(const Matrix& matrix, std::uint32_t vector) {
    std::uint32_t sum = 0;
    for (std::size_t bit = 0; bit < matrix.size(); ++bit) {
        sum ^= ((vector >> bit) & 1U) != 0 ? matrix[bit] : 0;
    }
    return sum;
}

/// What a stripe of zeros makes of a checksum, by its bytes: checksums of stripes are joined by it
/// (zlib's crc32_combine, for this polynomial and one length).
consteval std::array<Table, 4> make_shift() {
    Matrix matrix{};  // of one zero byte, then squared: of 2, 4, 8, ...
    for (std::size_t bit = 0; bit < matrix.size(); ++bit) {
        const std::uint32_t crc = std::uint32_t{1} << bit;
        matrix[bit] = (crc >> 8U) ^ tables[0][crc & 0xFFU];
    }
    static_assert(std::has_single_bit(stripe_bytes));
    for (std::size_t bytes = 1; bytes < stripe_bytes; bytes *= 2) {
        const Matrix half = matrix;
        for (std::uint32_t& column : matrix) {
            column = times(half, column);
        }
    }
    std::array<Table, 4> shift{};
    for (std::size_t k = 0; k < shift.size(); ++k) {
        for (std::uint32_t byte = 0; byte < 256; ++byte) {
            shift[k][byte] = times(matrix, byte << (8 * k));
        }
    }
    return shift;
}

constexpr std::array<Table, 4> shift_tables = make_shift();

[[maybe_unused]] std::uint32_t behind_a_stripe(std::uint32_t crc) noexcept {
    return shift_tables[0][crc & 0xFFU] ^ shift_tables[1][(crc >> 8U) & 0xFFU] ^
           shift_tables[2][(crc >> 16U) & 0xFFU] ^ shift_tables[3][crc >> 24U];
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t by_instruction(std::string_view bytes,
                                                       std::uint32_t crc) noexcept {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 3 * stripe_bytes; left -= 3 * stripe_bytes, at += 3 * stripe_bytes) {
        std::uint64_t first = crc;
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (const char* word = at; word != at + stripe_bytes; word += 8) {
            first = _mm_crc32_u64(first, word_at(word));
            second = _mm_crc32_u64(second, word_at(word + stripe_bytes));
            third = _mm_crc32_u64(third, word_at(word + 2 * stripe_bytes));
        }
        crc =
            behind_a_stripe(static_cast<std::uint32_t>(first)) ^ static_cast<std::uint32_t>(second);
        crc = behind_a_stripe(crc) ^ static_cast<std::uint32_t>(third);
    }
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
    for (; left >= 3 * stripe_bytes; left -= 3 * stripe_bytes, at += 3 * stripe_bytes) {
        std::uint32_t second = 0;
        std::uint32_t third = 0;
        for (const char* word = at; word != at + stripe_bytes; word += 8) {
            crc = __crc32cd(crc, word_at(word));
            second = __crc32cd(second, word_at(word + stripe_bytes));
            third = __crc32cd(third, word_at(word + 2 * stripe_bytes));
        }
        crc = behind_a_stripe(behind_a_stripe(crc) ^ second) ^ third;
    }
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
