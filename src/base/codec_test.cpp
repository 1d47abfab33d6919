// SPDX-License-Identifier: MIT
#include "repartir/codec.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace repartir::codec {
namespace {

using namespace std::literals;

enum class Colour : std::uint8_t { red, green = 7 };

struct Point {
    double x = 0;
    std::int32_t y = 0;
    std::string label;
    static constexpr auto codec_fields = std::tuple(&Point::x, &Point::y, &Point::label);
    bool operator==(const Point&) const = default;
};

/// Point as a later version has it.
struct NewPoint {
    double x = 0;
    std::int32_t y = 0;
    std::string label;
    std::uint16_t weight = 5;
    std::optional<Point> next;
    static constexpr auto codec_fields = std::tuple(&NewPoint::x, &NewPoint::y, &NewPoint::label,
                                                    &NewPoint::weight, &NewPoint::next);
    static constexpr std::size_t codec_required = 3;
    bool operator==(const NewPoint&) const = default;
};

struct PointView {
    double x = 0;
    std::int32_t y = 0;
    std::string_view label;
    static constexpr auto codec_fields =
        std::tuple(&PointView::x, &PointView::y, &PointView::label);
};

static_assert(same_wire<Point, PointView>);
static_assert(same_wire<Point, Fields<double, std::int32_t, std::string_view>>);
static_assert(!same_wire<Point, NewPoint>);
static_assert(same_wire<std::vector<Point>, List<PointView>>);

template <class T>
void expect_round_trip(const T& value) {
    const std::string bytes = encode(value);
    EXPECT_EQ(bytes.size(), encoded_size(value));
    const Result<T> again = decode<T>(bytes);
    ASSERT_TRUE(again) << again.error().sentence();
    EXPECT_EQ(*again, value);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        EXPECT_FALSE(decode<T>(std::string_view(bytes).substr(0, cut))) << cut;
    }
    EXPECT_EQ(decode<T>(bytes + '\0').error().code(), Code::malformed);
}

TEST(CodecTest, WhatIsWrittenIsRead) {
    expect_round_trip(true);
    expect_round_trip(std::uint8_t{255});
    expect_round_trip(std::numeric_limits<std::int64_t>::min());
    expect_round_trip(-0.1);
    expect_round_trip(1.5F);
    expect_round_trip(Colour::green);
    expect_round_trip(-250ms);
    expect_round_trip("text with \0 in it"s + std::string(1, '\0'));
    expect_round_trip(std::string());
    expect_round_trip(std::optional<int>());
    expect_round_trip(std::optional<std::string>("x"));
    expect_round_trip(std::vector<int>{1, 2, 3});
    expect_round_trip(std::vector<std::string>{"", "a", "bc"});
    expect_round_trip(std::pair<int, std::string>(3, "c"));
    expect_round_trip(std::tuple<int, bool, Point>(3, true, {1, 2, "p"}));
    expect_round_trip(std::array<std::uint16_t, 3>{1, 2, 3});
    expect_round_trip(std::array<std::uint16_t, 5>{1, 2, 3, 4, 5});
    expect_round_trip(std::vector<std::pair<std::string, Point>>{{"a", {1, 2, "b"}}, {"", {}}});
}

TEST(CodecTest, TheBytesAreWhatTheFormatSays) {
    EXPECT_EQ(encode(std::uint32_t{0x01020304}), "\x04\x03\x02\x01"sv);
    EXPECT_EQ(encode(std::int16_t{-2}), "\xfe\xff"sv);
    EXPECT_EQ(encode("ab"sv), "\x02\0\0\0ab"sv);
    EXPECT_EQ(encode(std::vector<std::uint8_t>{7, 8}), "\x02\0\0\0\x07\x08"sv);
    EXPECT_EQ(encode(std::optional<bool>(true)), "\x01\x01"sv);
    EXPECT_EQ(encode(Point{0, 1, "z"}),
              "\x11\0\0\0"
              "\0\0\0\0\0\0\0\0"
              "\x01\0\0\0"
              "\x01\0\0\0z"sv);
}

TEST(CodecTest, AnOlderReaderSkipsWhatItDoesNotKnow) {
    const NewPoint newer{1, 2, "three", 4, Point{5, 6, "seven"}};
    EXPECT_EQ(decode<Point>(encode(newer)), (Point{1, 2, "three"}));
    const auto both = decode<std::vector<Point>>(encode(std::vector<NewPoint>{newer, newer}));
    ASSERT_TRUE(both);
    EXPECT_EQ(*both, (std::vector<Point>{{1, 2, "three"}, {1, 2, "three"}}));
}

TEST(CodecTest, ANewerReaderKeepsTheDefaultsOfWhatDoesNotCome) {
    EXPECT_EQ(decode<NewPoint>(encode(Point{1, 2, "three"})), (NewPoint{1, 2, "three", 5, {}}));
}

TEST(CodecTest, AFieldThatBeginsMustEnd) {
    std::string bytes = encode(Point{1, 2, "three"});
    bytes += '\x01';  // half of `weight`
    bytes[0] = static_cast<char>(bytes.size() - 4);
    NewPoint point;
    EXPECT_EQ(decode(bytes, point), Problem::truncated);
}

struct Flagged {
    std::array<std::uint32_t, 2> numbers{};
    bool flag = false;
    std::uint16_t after = 0;
    std::string text;
    static constexpr auto codec_fields =
        std::tuple(&Flagged::numbers, &Flagged::flag, &Flagged::after, &Flagged::text);
    bool operator==(const Flagged&) const = default;
};

TEST(CodecTest, AStructThatIsTooShortForItsFieldsIsTruncated) {
    const std::string whole = encode(Flagged{{1, 2}, true, 3, "four"});
    for (std::size_t size = 0; size < whole.size() - 4; ++size) {
        std::string bytes = whole.substr(0, 4 + size);
        bytes[0] = static_cast<char>(size);
        Flagged value;
        EXPECT_EQ(decode(bytes, value), Problem::truncated) << size;
        std::pair<Flagged, std::uint32_t> row;
        EXPECT_EQ(decode(bytes + "\5\0\0\0"s, row), Problem::truncated) << size;
        EXPECT_EQ(row.second, 0U) << size;
    }
}

TEST(CodecTest, AProblemAmongTheFirstFieldsLeavesTheRestEmpty) {
    std::string bytes = encode(Flagged{{1, 2}, true, 3, "four"});
    bytes[4 + 8] = 2;
    Flagged value{{7, 7}, true, 7, "seven"};
    EXPECT_EQ(decode(bytes, value), Problem::value);
    EXPECT_EQ(value, (Flagged{{1, 2}, false, 0, ""}));
}

TEST(CodecTest, ViewsLieInTheBytes) {
    const std::string bytes = encode(std::vector<Point>{{1, 2, "a"}, {3, 4, "bc"}});
    List<PointView> list;
    ASSERT_EQ(decode(bytes, list), Problem::none);
    EXPECT_EQ(list.size(), 2U);
    std::vector<std::string_view> labels;
    EXPECT_EQ(list.each([&](const PointView& p) { labels.push_back(p.label); }), Problem::none);
    EXPECT_EQ(labels, (std::vector<std::string_view>{"a", "bc"}));
    EXPECT_EQ(labels[1].data(), bytes.data() + bytes.size() - 2);
    EXPECT_EQ(encode(list), bytes);
}

TEST(CodecTest, AnElementThatIsWrongEndsTheListWithoutHarm) {
    std::string bytes = encode(std::vector<Point>{{1, 2, "a"}, {3, 4, "bc"}});
    bytes[bytes.size() - 6] = 9;  // the second label's length
    List<PointView> list;
    ASSERT_EQ(decode(bytes, list), Problem::none);
    int seen = 0;
    EXPECT_EQ(list.each([&](const PointView&) { ++seen; }), Problem::truncated);
    EXPECT_EQ(seen, 1);
    EXPECT_FALSE(decode<std::vector<Point>>(bytes));
}

TEST(CodecTest, ACountBeyondTheBytesAllocatesNothing) {
    std::vector<std::string> strings;
    EXPECT_EQ(decode("\xff\xff\xff\xff\0\0\0\0"sv, strings), Problem::truncated);
    EXPECT_EQ(strings.capacity(), 0U);
    List<std::uint64_t> numbers;
    EXPECT_EQ(decode("\xff\xff\xff\xff\0\0\0\0"sv, numbers), Problem::truncated);
    EXPECT_TRUE(numbers.empty());
    std::string text;
    EXPECT_EQ(decode("\xff\xff\xff\xff\0"sv, text), Problem::truncated);
}

TEST(CodecTest, AFlagIsZeroOrOne) {
    bool flag = false;
    EXPECT_EQ(decode("\x02"sv, flag), Problem::value);
    std::optional<int> maybe;
    EXPECT_EQ(decode("\x02\0\0\0\0"sv, maybe), Problem::value);
    EXPECT_FALSE(maybe);
}

TEST(CodecTest, AProblemIsASentence) {
    EXPECT_EQ(malformed("Point", Problem::truncated).sentence(),
              "these bytes are no Point: they end too early; both sides must agree on its fields, "
              "to which new ones are only appended");
    for (const Problem problem : {Problem::none, Problem::value, Problem::excess}) {
        EXPECT_FALSE(malformed("x", problem).sentence().empty());
        EXPECT_NE(to_string(problem), "?");
    }
    EXPECT_EQ(to_string(Problem::truncated), "truncated");
}

}  // namespace
}  // namespace repartir::codec
