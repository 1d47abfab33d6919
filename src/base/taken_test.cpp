// SPDX-License-Identifier: MIT
#include "repartir/detail/taken.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace repartir::detail {
namespace {

using namespace std::literals;

/// Gives it the bytes in pieces. @return the first error
template <class Taken>
Result<void> give(Taken& taken, std::string_view bytes, std::size_t piece) {
    std::size_t at = 0;
    do {
        if (Result<void> took = taken.take(at, bytes.size(), bytes.substr(at, piece)); !took) {
            return took;
        }
        at += piece;
    } while (at < bytes.size());
    return {};
}

TEST(Taken, ComesWholeHoweverItIsCut) {
    const std::string text = "characters, more of them than fit into the string itself";
    const std::string encoded = codec::encode(text);
    const std::vector<int> numbers(20, 7);
    SharedBuffer buffer = SharedBuffer::create(100).value();
    for (std::size_t piece = 1; piece <= encoded.size(); ++piece) {
        Taken<std::string> as_text;
        Taken<std::vector<int>> as_numbers;
        TakenInto into(buffer);
        std::ranges::fill(buffer.writable(), std::byte{'-'});
        ASSERT_TRUE(give(as_text, encoded, piece));
        ASSERT_TRUE(give(as_numbers, codec::encode(numbers), piece));
        ASSERT_TRUE(give(into, encoded, piece));
        EXPECT_EQ(as_text.whole().value(), text);
        EXPECT_EQ(as_numbers.whole().value(), numbers);
        EXPECT_EQ(into.whole().value(), text.size());
        EXPECT_EQ(buffer.text(), text + std::string(100 - text.size(), '-'));
    }
}

TEST(Taken, BeginsAnewWhenTheCallIsTriedAgain) {
    const std::string whole = codec::encode("the second try"s);
    const std::string begun = codec::encode("the first one, which was longer"s);
    SharedBuffer buffer = SharedBuffer::create(100).value();
    Taken<std::string> as_text;
    TakenInto into(buffer);
    for (const std::size_t cut : {3UL, 20UL}) {
        ASSERT_TRUE(as_text.take(0, begun.size(), std::string_view(begun).substr(0, cut)));
        ASSERT_TRUE(into.take(0, begun.size(), std::string_view(begun).substr(0, cut)));
    }
    ASSERT_TRUE(give(as_text, whole, 5));
    ASSERT_TRUE(give(into, whole, 5));
    EXPECT_EQ(as_text.whole().value(), "the second try");
    EXPECT_EQ(buffer.text().substr(0, into.whole().value()), "the second try");
}

TEST(Taken, APromiseOfMoreThanThereIsMemoryIsNotBelieved) {
    constexpr std::uint64_t promised = std::uint64_t{1} << 63U;
    const std::string encoded = codec::encode("text"s);
    Taken<std::string> as_text;
    Taken<std::uint64_t> as_number;
    ASSERT_TRUE(as_text.take(0, promised, encoded));
    ASSERT_TRUE(as_number.take(0, promised, codec::encode(std::uint64_t{3})));
    EXPECT_EQ(as_text.whole().value(), "text");
    EXPECT_EQ(as_number.whole().value(), 3U);
}

TEST(Taken, WhatIsNoTextIsMalformed) {
    SharedBuffer buffer = SharedBuffer::create(100).value();
    for (const std::string& bytes :
         {std::string(), std::string("ab"), codec::encode(std::uint64_t{3}),
          codec::encode("cut off"s).substr(0, 8)}) {
        Taken<std::string> as_text;
        TakenInto into(buffer);
        ASSERT_TRUE(give(as_text, bytes, 3));
        ASSERT_TRUE(give(into, bytes, 3));
        EXPECT_EQ(as_text.whole().error().code(), Code::malformed);
        EXPECT_EQ(into.whole().error().code(), Code::malformed);
        EXPECT_EQ(into.whole().error().sentence().find("these bytes are no text: "), 0U);
    }
}

TEST(Taken, ABufferThatIsTooSmallOrSealedIsRefusedBeforeAllHasCome) {
    const std::string encoded = codec::encode(std::string(101, 'x'));
    SharedBuffer buffer = SharedBuffer::create(100).value();
    TakenInto into(buffer);
    const auto refused = into.take(0, encoded.size(), std::string_view(encoded).substr(0, 10));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::too_large);
    EXPECT_EQ(refused.error().sentence(),
              "the function gave 101 bytes, and the buffer that they were to go into takes 100: "
              "pass one that is as large, and not sealed");
    SharedBuffer exact = SharedBuffer::create(101).value();
    TakenInto fits(exact);
    EXPECT_TRUE(give(fits, encoded, 50));
    EXPECT_EQ(fits.whole().value(), 101U);
    ASSERT_TRUE(exact.seal());
    TakenInto sealed(exact);
    EXPECT_EQ(give(sealed, encoded, 50).error().code(), Code::too_large);
    TakenInto lied_to(buffer);  // the length in front is not what comes
    EXPECT_EQ(
        give(lied_to, codec::encode(std::uint32_t{5}) + std::string(200, 'x'), 60).error().code(),
        Code::too_large);
}

}  // namespace
}  // namespace repartir::detail
