// SPDX-License-Identifier: MIT
#include "cli/toml_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace repartir::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::array<std::string_view, 4> keys{"listen", "slots", "drain-timeout", "supervise"};

std::string refusal(std::string_view text) {
    const auto settings = read_toml("w.toml", text, keys);
    return settings ? "accepted" : settings.error().sentence();
}

TEST(TomlFile, ValuesOfEveryTypeInTheOrderOfLines) {
    const auto settings = read_toml("w.toml",
                                    "# a comment\n"
                                    "slots = 4\n"
                                    "listen = [\"unix:/a\", 'b:1']\n\n"
                                    "supervise = true\n"
                                    "drain-timeout = \"5s\"\n",
                                    keys)
                              .value();
    ASSERT_EQ(settings.size(), 4U);
    EXPECT_EQ(settings[0].key, "slots");
    EXPECT_EQ(settings[0].line, 2U);
    EXPECT_THAT(settings[0].values, ElementsAre("4"));
    EXPECT_THAT(settings[1].values, ElementsAre("unix:/a", "b:1"));
    EXPECT_THAT(settings[2].values, ElementsAre("true"));
    EXPECT_EQ(settings[2].line, 5U);
    EXPECT_THAT(settings[3].values, ElementsAre("5s"));
    EXPECT_TRUE(read_toml("w.toml", "", keys)->empty());
}

TEST(TomlFile, AnUnknownKeyIsNamedWithItsLineAndTheNearest) {
    EXPECT_EQ(refusal("slots = 1\nlisten-at = \"x\"\ndrain-timout = 3\n"),
              "w.toml:2: there is no key \"listen-at\"; did you mean listen?");
    EXPECT_THAT(refusal("drain-timout = 3"), HasSubstr("did you mean drain-timeout?"));
    EXPECT_THAT(refusal("xyzzy = 3"), HasSubstr("repartir config show"));
    EXPECT_EQ(refusal("\n  [worker]\nslots = 1"), "w.toml:2: keys stand in no [table] here");
}

TEST(TomlFile, WhatIsNoTomlIsNamedWithItsLine) {
    EXPECT_THAT(refusal("slots = 1\nslots = 2\n"), StartsWith("w.toml:2: "));
    EXPECT_THAT(refusal("slots = \n"), StartsWith("w.toml:1: this is no TOML"));
    EXPECT_THAT(refusal("slots"), StartsWith("w.toml:1: "));
    EXPECT_THAT(refusal("listen = \"a\nb\""), StartsWith("w.toml:"));
    EXPECT_THAT(refusal("slots = \"\xff\""), StartsWith("w.toml:1: "));
    EXPECT_THAT(refusal(std::string(100'000, '[')), StartsWith("w.toml:1: "));
}

TEST(TomlFile, OtherTypesAreRefused) {
    for (const char* const value : {"1.5", "2026-11-22", "{ a = 1 }", "[[1]]", "[1.5]"}) {
        EXPECT_THAT(refusal("slots = " + std::string(value)), StartsWith("w.toml:1: the value of"))
            << value;
    }
}

}  // namespace
}  // namespace repartir::cli
