// SPDX-License-Identifier: MIT
#include "cli/fingerprint.hpp"

#include <gtest/gtest.h>

#include <set>

namespace repartir::cli {
namespace {

Fingerprint of(std::initializer_list<std::string_view> fields) {
    Fingerprinter print;
    for (const std::string_view field : fields) {
        print.add(field);
    }
    return print.finish();
}

std::string byte_order(std::string text) {  // the digits of each word, least significant byte first
    std::string bytes;
    for (const std::size_t word : {0U, 16U}) {
        for (std::size_t i = 16; i > 0; i -= 2) {
            bytes += text.substr(word + i - 2, 2);
        }
    }
    return bytes;
}

TEST(Fingerprint, IsSipHash128OfTheLengthAndTheField) {
    // openssl mac -macopt hexkey:0...0 -macopt size:16 SIPHASH over "\3\0\0\0\0\0\0\0abc"
    EXPECT_EQ(byte_order(to_string(of({"abc"}))), "1a8061732ada2a6a53bc7025796c7eff");
}

TEST(Fingerprint, FieldsDoNotRunTogether) {
    std::set<std::string> seen;
    for (const Fingerprint& print : {of({}), of({""}), of({"", ""}), of({"abc"}), of({"ab", "c"}),
                                     of({"a", "bc"}), of({"abcdefgh"}), of({"abcdefghi"})}) {
        EXPECT_TRUE(seen.insert(to_string(print)).second);
    }
}

TEST(Fingerprint, TextRoundTrips) {
    const Fingerprint print = of({"x"});
    EXPECT_EQ(parse_fingerprint(to_string(print)), print);
    for (const char* text :
         {"", "00", "0000000000000000000000000000000g", "0000000000000000000000000000000A",
          "000000000000000000000000000000000"}) {
        EXPECT_FALSE(parse_fingerprint(text).has_value()) << text;
    }
}

TEST(Fingerprint, CrcIsTheOneOfGzip) {
    EXPECT_EQ(crc32(""), 0U);
    EXPECT_EQ(crc32("123456789"), 0xCBF43926U);
}

}  // namespace
}  // namespace repartir::cli
