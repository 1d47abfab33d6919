// SPDX-License-Identifier: MIT
#include "base/logfmt.hpp"

#include <gtest/gtest.h>

#include <string>

namespace repartir::base {
namespace {

TEST(LogfmtTest, PlainValuesStandAsTheyAre) {
    EXPECT_EQ(Logfmt("listening").add("address", "[::1]:9000").take(),
              "event=listening address=[::1]:9000");
}

TEST(LogfmtTest, WhateverAPeerSaysStaysOneValueOfOneLine) {
    using namespace std::literals;
    EXPECT_EQ(Logfmt("x").add("a", "two words").take(), R"(event=x a="two words")");
    EXPECT_EQ(Logfmt("x").add("a", "").take(), R"(event=x a="")");
    EXPECT_EQ(Logfmt("x").add("a", "q\"b\\e=\n\x1b[0m\0"sv).take(),
              R"(event=x a="q\"b\\e=\n\x1b[0m\x00")");
}

}  // namespace
}  // namespace repartir::base
