// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/source_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

namespace repartir::gpu {
namespace {

using testing::HasSubstr;

std::string times(std::size_t count, std::string_view text) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += text;
    }
    return all;
}
void expect_refused(const std::string& source, const char* words) {
    const Result<void> checked = check_source(source);
    ASSERT_FALSE(checked.has_value()) << words;
    EXPECT_THAT(checked.error().sentence(), HasSubstr(words));
}

TEST(SourceLimits, WhatPeopleWriteIsFine) {
    EXPECT_TRUE(check_source("").has_value());
    EXPECT_TRUE(check_source(times(5000, "x = a + b * (c - d[2]);\n")).has_value());
    EXPECT_TRUE(check_source("float t[] = {" + times(40000, "-1.5,") + "};").has_value());
    EXPECT_TRUE(check_source(times(1000, "// -------- ((((( \n/* ((( *** */\n")).has_value());
}

TEST(SourceLimits, Depth) {
    EXPECT_TRUE(check_source(times(200, "(")).has_value());
    expect_refused("\n" + times(201, "("), "too many brackets inside each other in line 2");
    expect_refused("x = " + times(5000, "-") + "1;", "operators in one expression");
    expect_refused("x = a" + times(5000, ".x") + ";", "operators in one expression");
    expect_refused("x = (a" + times(60000, ",b") + ");", "commas in one statement");
    expect_refused(times(3000, "if (a) {} else "), "else branches");
    expect_refused(times(3000, "#define a b\n"), "macros");
}

TEST(SourceLimits, CommentsHideNothingFromUs) {
    const std::string deep = times(300, "{");
    for (const char* before : {"// comment\n", "// comment\r", "// comment\xE2\x80\xA8",
                               "/* comment */", "/* comment *\\\n/", "/**/", "/* /* */"}) {
        EXPECT_FALSE(check_source(before + deep).has_value()) << before;
    }
    EXPECT_TRUE(check_source("// " + deep).has_value());
    EXPECT_TRUE(check_source("/* " + deep + " */").has_value());
}

TEST(SourceLimits, SizeAndNul) {
    EXPECT_TRUE(check_source(std::string(source_bytes_max, ' ')).has_value());
    expect_refused(std::string(source_bytes_max + 1, ' '), "1048577 bytes of text; 1048576 are");
    expect_refused(std::string("a\0b", 3), "NUL");
}

TEST(SourceLimits, TheStackIsLarge) {
    bool ran = false;
    EXPECT_TRUE(on_large_stack([&] {
                    std::array<volatile char, compiler_stack_bytes / 2> much;
                    much[0] = 1;
                    ran = much[0] == 1;
                }).has_value());
    EXPECT_TRUE(ran);
}

TEST(SourceLimits, WhatIsThrownIsAnError) {
    const auto threw = on_large_stack([] { throw std::runtime_error("x"); });
    EXPECT_EQ(threw.error().code(), Code::internal);
    const auto full = on_large_stack([] { throw std::bad_alloc(); });
    EXPECT_EQ(full.error().code(), Code::out_of_resources);
}

}  // namespace
}  // namespace repartir::gpu
