// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/constants.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "exec/gpu/kernel/assemble_fixture.hpp"
#include "exec/gpu/kernel/check.hpp"

namespace repartir::gpu {
namespace {

using testing::HasSubstr;

constexpr const char* module_of_constants = R"(
OpCapability Shader
OpCapability Int64
OpCapability Float64
OpCapability Int8
OpMemoryModel Logical GLSL450
OpEntryPoint GLCompute %main "main"
OpExecutionMode %main LocalSize 1 1 1
OpName %flag "flag"
OpName %small "small"
OpDecorate %flag SpecId 1
OpDecorate %small SpecId 2
OpDecorate %word SpecId 3
OpDecorate %real SpecId 4
OpDecorate %wide SpecId 5
OpDecorate %exact SpecId 6
%void = OpTypeVoid
%fn = OpTypeFunction %void
%bool = OpTypeBool
%int8 = OpTypeInt 8 1
%uint = OpTypeInt 32 0
%float = OpTypeFloat 32
%int64 = OpTypeInt 64 1
%double = OpTypeFloat 64
%flag = OpSpecConstantFalse %bool
%small = OpSpecConstant %int8 3
%word = OpSpecConstant %uint 3
%real = OpSpecConstant %float 3
%wide = OpSpecConstant %int64 3
%exact = OpSpecConstant %double 3
%main = OpFunction %void None %fn
%begin = OpLabel
OpReturn
OpFunctionEnd
)";

class Constants : public testing::Test {
  protected:
    Result<std::uint64_t> bits(const std::string& name, double value) {
        std::vector<std::uint32_t> words = test::assemble(module_of_constants);
        const std::vector<Constant> known = inspect(words, "")->constants;
        const std::vector<NamedConstant> values{{name, value}};
        if (Result<void> put = specialize(words, known, values); !put) {
            return fail(std::move(put).error());
        }
        const Result<Interface> after = inspect(words, "");
        EXPECT_TRUE(after.has_value());
        std::uint64_t changed = 0;
        for (std::size_t at = 0; at < known.size(); ++at) {
            const bool mine = known[at].name == name || std::to_string(known[at].id) == name;
            changed = mine ? after->constants.at(at).bits : changed;
            EXPECT_TRUE(mine || after->constants.at(at) == known[at]);
        }
        return changed;
    }
};

TEST_F(Constants, EveryTypeTakesItsValue) {
    EXPECT_EQ(bits("flag", 1), 1U);
    EXPECT_EQ(bits("small", -7), 0xfffffff9U);
    EXPECT_EQ(bits("3", 4294967295.0), 0xffffffffU);
    EXPECT_EQ(bits("4", 0.5), std::bit_cast<std::uint32_t>(0.5F));
    EXPECT_EQ(bits("5", -1), ~std::uint64_t{0});
    EXPECT_EQ(bits("6", 0.1), std::bit_cast<std::uint64_t>(0.1));
}

TEST_F(Constants, WhatDoesNotFit) {
    const double endless = std::numeric_limits<double>::infinity();
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, double>>{{"small", 128},
                                                     {"small", -129},
                                                     {"small", 0.5},
                                                     {"3", -1},
                                                     {"3", 4294967296.0},
                                                     {"4", 1e39},
                                                     {"4", endless},
                                                     {"5", 9223372036854775808.0},
                                                     {"3", -endless}}) {
        const Result<std::uint64_t> told = bits(name, value);
        ASSERT_FALSE(told.has_value()) << name << value;
        EXPECT_EQ(told.error().code(), Code::invalid_argument);
        EXPECT_THAT(told.error().sentence(), HasSubstr("the constant `" + name + "` cannot be "));
    }
}

TEST_F(Constants, UnknownNames) {
    const Result<std::uint64_t> told = bits("tiny", 1);
    EXPECT_EQ(told.error().code(), Code::not_found);
    EXPECT_THAT(told.error().sentence(),
                HasSubstr("no constant `tiny`; it has 1 (`flag`), 2 (`small`), 3, 4, 5, 6"));
}

}  // namespace
}  // namespace repartir::gpu
