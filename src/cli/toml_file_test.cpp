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
    EXPECT_EQ(refusal("slots = 1\n slots = 2\n"), "w.toml:2: slots is set for a second time");
    EXPECT_THAT(refusal("slots = \n"), StartsWith("w.toml:1: the value of slots must be"));
    EXPECT_THAT(refusal("\nslots"), StartsWith("w.toml:2: behind slots an equals sign"));
    EXPECT_THAT(refusal("slots = 1 2"), HasSubstr("\"2\" stands behind the value"));
    EXPECT_THAT(refusal("= 1"), HasSubstr("\"= 1\" is no key and its value"));
    EXPECT_THAT(refusal("listen = \"a\nb\""), StartsWith("w.toml:1: a text in quotes is not"));
    EXPECT_THAT(refusal("listen = \"\"\"a\"\"\""), HasSubstr("several lines"));
    EXPECT_THAT(refusal("listen = [\"a\"\n\"b\"]"), StartsWith("w.toml:2: in the list of"));
    EXPECT_THAT(refusal("listen = [\"a\""), HasSubstr("a comma or ] is missing"));
    EXPECT_THAT(refusal("listen = \"\xff\""), HasSubstr("no UTF-8"));
    EXPECT_THAT(refusal("# \xff"), HasSubstr("no text"));
    EXPECT_THAT(refusal("slots = 1\r"), HasSubstr("behind the value"));
    EXPECT_THAT(refusal(std::string(100'000, '[')), StartsWith("w.toml:1: "));
    EXPECT_THAT(refusal("listen = " + std::string(100'000, '[')), StartsWith("w.toml:1: "));
}

TEST(TomlFile, TextsAreWrittenAsTomlHasThem) {
    const auto text = [](const std::string& written) {
        const auto settings = read_toml("w.toml", "listen = " + written, keys);
        return settings ? settings->at(0).values.at(0) : settings.error().sentence();
    };
    EXPECT_EQ(text(R"("a\tb\"\\ \u00e9\U0001F600")"), "a\tb\"\\ \u00e9\U0001F600");
    EXPECT_EQ(text(R"('a\tb" # ' # c)"), R"(a\tb" # )");
    EXPECT_EQ(text("\"\u00D7\"\r\n"), "\u00D7");
    EXPECT_EQ(text("\"\""), "");
    EXPECT_EQ(text("1_000"), "1000");
    EXPECT_EQ(text("+3"), "3");
    EXPECT_EQ(text("-3"), "-3");
    for (const char* const bad : {R"("\x41")", R"("\uD800")", R"("\u0000")", R"("\U00110000")",
                                  R"("\u12")", R"("\UFFFFFFFF")"}) {
        EXPECT_THAT(text(bad), HasSubstr("behind a backslash")) << bad;
    }
    EXPECT_EQ(refusal("\xEF\xBB\xBF\"listen\" = 'x'\r\n\t'slots'=1 # \u00D7\n"), "accepted");
}

TEST(TomlFile, AListMayGoOverLines) {
    EXPECT_EQ(refusal("listen = [\n  \"[\", # [[\n  'b',\n]\nslots = 1\n"), "accepted");
    EXPECT_EQ(refusal("listen = [\n  'b',\n]\n[slots]\n"),
              "w.toml:4: keys stand in no [table] here");
}

TEST(TomlFile, OtherTypesAreRefused) {
    for (const char* const value :
         {"1.5", "2026-11-22", "07:30:00", "{ a = 1 }", "[[1]]", "[1.5]", "0x10", "007", "1__0",
          "_1", "1_", "1e3", "inf", "True", "-", ""}) {
        EXPECT_THAT(refusal("slots = " + std::string(value)), StartsWith("w.toml:1: the value of"))
            << value;
    }
}

}  // namespace
}  // namespace repartir::cli
