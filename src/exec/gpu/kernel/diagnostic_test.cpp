// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/diagnostic.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace repartir::gpu {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

std::string told(std::string_view source, const std::vector<Diagnostic>& diagnostics) {
    const Error error = does_not_compile("GLSL", source, diagnostics);
    EXPECT_EQ(error.code(), Code::malformed);
    return error.sentence();
}

TEST(Diagnostic, ACaretStandsUnderTheColumn) {
    EXPECT_EQ(told("a\n\tx = y + 1;\n", {{2, 6, "what is y?"}}),
              "the GLSL does not compile: 2:6: what is y?\n"
              "    x = y + 1;\n"
              "        ^");
    EXPECT_EQ(told("  x;", {{1, 0, "no"}}), "the GLSL does not compile: 1: no\n    x;\n    ^");
}

TEST(Diagnostic, ACharacterIsOneColumn) {
    EXPECT_THAT(told("/* h\xC3\xA9 */ x", {{1, 11, "no"}}), EndsWith("/* h\xC3\xA9 */ x\n"
                                                                     "             ^"));
}

TEST(Diagnostic, SeveralAndNotTooMany) {
    const std::string three = told("a\nb", {{1, 1, "one"}, {2, 1, "two"}, {0, 0, "three"}});
    EXPECT_EQ(three,
              "the GLSL does not compile: 1:1: one\n    a\n    ^\n2:1: two\n    b\n    ^\nthree");
    EXPECT_THAT(told("a", std::vector<Diagnostic>(1000, {1, 1, "x"})), EndsWith("\nand 990 more"));
}

TEST(Diagnostic, LongLinesAreCutAroundTheCaret) {
    const std::string line = std::string(5000, '(') + "x" + std::string(5000, ')');
    const std::string text = told(line, {{1, 5001, "deep"}});
    EXPECT_LT(text.size(), 300U);
    const std::size_t caret = text.rfind('^') - text.rfind('\n');
    const std::size_t x = text.rfind('x') - text.rfind('\n', text.rfind('x'));
    EXPECT_EQ(caret, x);
}

TEST(Diagnostic, WholeWords) {
    EXPECT_EQ(column_of("\nxx = x;", 2, "x"), 6U);
    EXPECT_EQ(column_of("a+=b", 1, "+="), 2U);
    EXPECT_EQ(column_of("xx", 1, "x"), 0U);
    EXPECT_EQ(column_of("x", 1, ""), 0U);
    EXPECT_EQ(column_of("x", 7, "x"), 0U);
}

TEST(Diagnostic, PlacesThatAreNone) {
    EXPECT_THAT(told("a", {{9, 1, "no"}}), HasSubstr("9:1: no"));
    EXPECT_THAT(told("a", {{1, 900, "no"}}), EndsWith("\n    a\n     ^"));
    EXPECT_THAT(told("", {{1, 1, "no"}}), HasSubstr("1:1: no"));
    EXPECT_THAT(told("\x1b[1m", {{1, 1,
                                  "a\x1b"
                                  "b\nc"}}),
                HasSubstr("a b c\n     [1m"));
}

}  // namespace
}  // namespace repartir::gpu
