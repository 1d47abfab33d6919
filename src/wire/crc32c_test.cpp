// SPDX-License-Identifier: MIT
#include "wire/crc32c.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/prng.hpp"

namespace repartir::wire {
namespace {

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
TEST(Crc32cTest, PublishedVectors) {
    std::string rising;
    std::string falling;
    for (int i = 0; i < 32; ++i) {
        rising += static_cast<char>(i);
        falling += static_cast<char>(31 - i);
    }
    for (const auto crc : {&crc32c, &crc32c_by_table}) {
        EXPECT_EQ(crc("", 0), 0U);
        EXPECT_EQ(crc("123456789", 0), 0xE3069283U);
        EXPECT_EQ(crc(std::string(32, '\0'), 0), 0x8A9136AAU);
        EXPECT_EQ(crc(std::string(32, '\xff'), 0), 0x62A8AB43U);
        EXPECT_EQ(crc(rising, 0), 0x46DD794EU);
        EXPECT_EQ(crc(falling, 0), 0x113FDB5CU);
    }
}

TEST(Crc32cTest, TheInstructionAgreesWithTheTableAndPiecesWithTheWhole) {
    base::Prng random(7);
    std::string bytes;
    for (std::size_t size = 0; size < 300; ++size) {
        const std::uint32_t whole = crc32c(bytes);
        EXPECT_EQ(whole, crc32c_by_table(bytes)) << size;
        const std::size_t cut = size == 0 ? 0 : random.next() % size;
        const std::string_view text = bytes;
        EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), whole) << size;
        bytes += static_cast<char>(random.next());
    }
}

// Long ones are taken in three stripes side by side.
TEST(Crc32cTest, LongOnesAgreeWithTheTableToo) {
    base::Prng random(9);
    std::string bytes;
    while (bytes.size() < 70'000) {
        bytes += static_cast<char>(random.next());
    }
    const std::string_view text = bytes;
    for (std::size_t size = 6000; size < 6400; ++size) {
        ASSERT_EQ(crc32c(text.substr(1, size)), crc32c_by_table(text.substr(1, size))) << size;
    }
    for (int i = 0; i < 200; ++i) {
        const std::size_t begin = random.next() % 1000;
        const std::size_t size = random.next() % (text.size() - begin);
        const std::uint32_t before = static_cast<std::uint32_t>(random.next());
        ASSERT_EQ(crc32c(text.substr(begin, size), before),
                  crc32c_by_table(text.substr(begin, size), before))
            << begin << ' ' << size;
    }
}

}  // namespace
}  // namespace repartir::wire
