// SPDX-License-Identifier: MIT
#include "cli/text.hpp"

#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

TEST(Text, DurationsAreReadInEveryUnit) {
    EXPECT_EQ(parse_duration("-", "500ms").value(), 500ms);
    EXPECT_EQ(parse_duration("-", "5s").value(), 5s);
    EXPECT_EQ(parse_duration("-", "1.5s").value(), 1500ms);
    EXPECT_EQ(parse_duration("-", "2m").value(), 2min);
    EXPECT_EQ(parse_duration("-", "1h").value(), 1h);
    EXPECT_EQ(parse_duration("-", "7").value(), 7s);
    EXPECT_EQ(parse_duration("-", "0").value(), 0ms);
}

TEST(Text, OtherDurationsAreRefusedWithTheirText) {
    for (const char* text : {"", "s", "-1s", "5x", "5 s", "nan", "inf", "1e3s", "99999999999h"}) {
        const auto result = parse_duration("--timeout", text);
        ASSERT_FALSE(result.has_value()) << text;
        EXPECT_NE(result.error().sentence().find("--timeout"), std::string::npos);
        EXPECT_EQ(result.error().fault(), Fault::user);
    }
}

TEST(Text, SizesAreReadInPowersOf1024) {
    EXPECT_EQ(parse_size("-", "4096").value(), 4096U);
    EXPECT_EQ(parse_size("-", "64K").value(), 65536U);
    EXPECT_EQ(parse_size("-", "512M").value(), 512ULL << 20U);
    EXPECT_EQ(parse_size("-", "2G").value(), 2ULL << 30U);
    EXPECT_EQ(parse_size("-", "1.5g").value(), 3ULL << 29U);
    EXPECT_EQ(parse_size("-", "1GiB").value(), 1ULL << 30U);
    EXPECT_EQ(parse_size("-", "10B").value(), 10U);
    for (const char* text : {"", "G", "-1", "5X", "5 M", "1Kx", "1e30", "99999999T"}) {
        EXPECT_FALSE(parse_size("--limit-memory", text).has_value()) << text;
    }
}

TEST(Text, PaddingFillsAndNeverCuts) {
    EXPECT_EQ(padded("ab", 4), "ab  ");
    EXPECT_EQ(padded("abcde", 4), "abcde");
    EXPECT_EQ(padded("", 0), "");
}

TEST(Text, CountsKeepTheirBounds) {
    EXPECT_EQ(parse_count("-", "1", 1, 3).value(), 1U);
    EXPECT_EQ(parse_count("-", "3", 1, 3).value(), 3U);
    for (const char* text : {"0", "4", "", "2x", "-2", "+2", "99999999999999999999"}) {
        EXPECT_FALSE(parse_count("-j", text, 1, 3).has_value()) << text;
    }
}

TEST(Text, ShellQuotingSurvivesEveryByte) {
    EXPECT_EQ(shell_quote("plain-1.txt"), "plain-1.txt");
    EXPECT_EQ(shell_quote(""), "''");
    EXPECT_EQ(shell_quote("a b"), "'a b'");
    EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_quote("$x;*"), "'$x;*'");
}

TEST(Text, PrintableHidesControlBytesAndCuts) {
    EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
    EXPECT_EQ(printable("abcdef", 3), "abc...");
}

TEST(Text, DaysAndNonsense) {
    EXPECT_EQ(parse_duration("x", "2d").value(), 48h);
    EXPECT_EQ(parse_duration("x", "2min").value(), 2min);
    for (const char* text : {"", "s", "1w", "-1s", "1e400", "nan", "9999999999999d", "1 s"}) {
        EXPECT_FALSE(parse_duration("x", text).has_value()) << text;
    }
    for (const char* text : {"", "K", "1X", "1KX", "-1", "inf", "99999999T"}) {
        EXPECT_FALSE(parse_size("x", text).has_value()) << text;
    }
}

TEST(Text, AmountsForPeople) {
    EXPECT_EQ(human_duration(1500us), "1.5 ms");
    EXPECT_EQ(human_duration(12s), "12.0 s");
    EXPECT_EQ(human_duration(125s), "2 min 5 s");
    EXPECT_EQ(human_duration(3720s), "1 h 2 min");
    EXPECT_EQ(human_size(512), "512 B");
    EXPECT_EQ(human_size(4096), "4.0 KiB");
    EXPECT_EQ(human_size(3ULL << 29U), "1.5 GiB");
}

}  // namespace
}  // namespace repartir::cli
