// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>

#include "exec/gpu/kernel/assemble_fixture.hpp"

namespace repartir::gpu {
namespace {

using test::assemble;
using test::with;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

// out[i] = in[i] * factor[0], with a constant and workgroup memory besides.
constexpr std::string_view doubling = R"(
OpCapability Shader
OpMemoryModel Logical GLSL450
OpEntryPoint GLCompute %main "main" %gid %in %out %unused %factor %push %tile
OpExecutionMode %main LocalSize 64 2 1
OpName %in "in"
OpName %out "out"
OpName %Factor "Factor"
OpName %scale "scale"
OpDecorate %gid BuiltIn GlobalInvocationId
OpDecorate %floats ArrayStride 4
OpDecorate %Data Block
OpMemberDecorate %Data 0 Offset 0
OpMemberDecorate %Data 1 Offset 16
OpDecorate %Factor Block
OpMemberDecorate %Factor 0 Offset 0
OpDecorate %Push Block
OpMemberDecorate %Push 0 Offset 8
OpDecorate %in DescriptorSet 0
OpDecorate %in Binding 0
OpDecorate %out DescriptorSet 0
OpDecorate %out Binding 2
OpDecorate %factor DescriptorSet 0
OpDecorate %factor Binding 1
OpDecorate %unused DescriptorSet 1
OpDecorate %unused Binding 7
OpDecorate %scale SpecId 5
%void = OpTypeVoid
%fn = OpTypeFunction %void
%uint = OpTypeInt 32 0
%float = OpTypeFloat 32
%v3 = OpTypeVector %uint 3
%v4 = OpTypeVector %float 4
%floats = OpTypeRuntimeArray %float
%Data = OpTypeStruct %v4 %floats
%Factor = OpTypeStruct %v4
%Push = OpTypeStruct %float
%p_data = OpTypePointer StorageBuffer %Data
%p_factor = OpTypePointer Uniform %Factor
%p_push = OpTypePointer PushConstant %Push
%p_in = OpTypePointer Input %v3
%p_id = OpTypePointer Input %uint
%p_float = OpTypePointer StorageBuffer %float
%p_ufloat = OpTypePointer Uniform %float
%p_pfloat = OpTypePointer PushConstant %float
%zero = OpConstant %uint 0
%one = OpConstant %uint 1
%scale = OpSpecConstant %float 1.5
%length = OpConstant %uint 32
%tile_t = OpTypeArray %v4 %length
%p_tile = OpTypePointer Workgroup %tile_t
%p_wfloat = OpTypePointer Workgroup %float
%in = OpVariable %p_data StorageBuffer
%out = OpVariable %p_data StorageBuffer
%unused = OpVariable %p_data StorageBuffer
%factor = OpVariable %p_factor Uniform
%push = OpVariable %p_push PushConstant
%tile = OpVariable %p_tile Workgroup
%gid = OpVariable %p_in Input
%main = OpFunction %void None %fn
%begin = OpLabel
%px = OpAccessChain %p_id %gid %zero
%x = OpLoad %uint %px
%pi = OpAccessChain %p_float %in %one %x
%a = OpLoad %float %pi
%pf = OpAccessChain %p_ufloat %factor %zero %zero
%f = OpLoad %float %pf
%pp = OpAccessChain %p_pfloat %push %zero
%p = OpLoad %float %pp
%pt = OpAccessChain %p_wfloat %tile %zero %one
OpStore %pt %p
%b = OpFMul %float %a %f
%c = OpFMul %float %b %scale
%po = OpAccessChain %p_float %out %one %x
OpStore %po %c
OpReturn
OpFunctionEnd
)";

void expect_refused(std::span<const std::uint32_t> words, Code code, const char* sentence,
                    std::string_view entry = "") {
    const Result<Interface> told = inspect(words, entry);
    ASSERT_FALSE(told.has_value()) << sentence;
    EXPECT_EQ(told.error().code(), code) << told.error().sentence();
    EXPECT_EQ(told.error().domain(), Domain::gpu);
    EXPECT_EQ(told.error().fault(), Fault::user);
    EXPECT_THAT(told.error().sentence(), HasSubstr(sentence));
}
void expect_refused(const std::string& text, Code code, const char* sentence) {
    expect_refused(assemble(text), code, sentence);
}
Interface accepted(const std::string& text, spv_target_env environment = SPV_ENV_VULKAN_1_2) {
    const Result<Interface> told = inspect(assemble(text, environment), "");
    EXPECT_TRUE(told.has_value()) << told.error().sentence();
    return told.value_or(Interface{});
}

TEST(Inspect, TellsAllThatATaskHasToGive) {
    const Interface told = accepted(std::string(doubling));
    EXPECT_EQ(told.entry, "main");
    EXPECT_THAT(told.workgroup_size, ElementsAre(64, 2, 1));
    EXPECT_THAT(told.bindings,
                ElementsAre(Binding{0, 0, BindingKind::storage, true, false, 16, 4, "in"},
                            Binding{0, 1, BindingKind::uniform, true, false, 16, 0, "Factor"},
                            Binding{0, 2, BindingKind::storage, false, true, 16, 4, "out"}));
    EXPECT_EQ(told.push_constant_bytes, 12U);
    EXPECT_EQ(told.shared_bytes, 512U);
    EXPECT_THAT(told.constants, ElementsAre(Constant{5, ScalarType::float32,
                                                     std::bit_cast<std::uint32_t>(1.5F), "scale"}));
    EXPECT_TRUE(told.needs.empty());
}

TEST(Inspect, OlderStorageBuffers) {
    std::string text = with(doubling, "OpDecorate %Data Block", "OpDecorate %Data BufferBlock");
    text = with(text, "%gid %in %out %unused %factor %push %tile", "%gid");
    for (int i = 0; i < 5; ++i) {
        text = with(text, " StorageBuffer", " Uniform");
    }
    const auto words = assemble(text, SPV_ENV_VULKAN_1_0);
    const Result<Interface> told = inspect(words, "main");
    ASSERT_TRUE(told.has_value()) << told.error().sentence();
    EXPECT_EQ(told->bindings.at(0).kind, BindingKind::storage);
    EXPECT_EQ(told->bindings.at(1).kind, BindingKind::uniform);
}

TEST(Inspect, TwoViewsOfOneBuffer) {
    const Interface told = accepted(with(doubling, "%out Binding 2", "%out Binding 0"));
    ASSERT_EQ(told.bindings.size(), 2U);
    EXPECT_TRUE(told.bindings[0].readable && told.bindings[0].writable);
    expect_refused(with(doubling, "%factor Binding 1", "%factor Binding 0"), Code::malformed,
                   "is used as a storage and as a uniform buffer");
}

TEST(Inspect, DecorationsAndCallsCountToo) {
    EXPECT_FALSE(accepted(with(doubling, "OpDecorate %in Binding 0",
                               "OpDecorate %in Binding 0\nOpDecorate %in NonWritable"))
                     .bindings.at(0)
                     .writable);
    // The callee is used by main, another function by nobody.
    const Interface told =
        accepted(with(with(doubling, "OpStore %po %c", "%call = OpFunctionCall %void %touch"),
                      "OpReturn\nOpFunctionEnd", R"(OpReturn
OpFunctionEnd
%touch = OpFunction %void None %fn
%l1 = OpLabel
%q = OpAccessChain %p_float %out %one %one
%v = OpLoad %float %q
OpReturn
OpFunctionEnd
%nobody = OpFunction %void None %fn
%l2 = OpLabel
%r = OpAccessChain %p_float %unused %one %one
OpStore %r %scale
OpReturn
OpFunctionEnd)"));
    ASSERT_EQ(told.bindings.size(), 3U);
    EXPECT_TRUE(told.bindings[2].readable);
    EXPECT_FALSE(told.bindings[2].writable);
}

TEST(Inspect, WorkgroupSizes) {
    const std::string by_constant =
        with(with(doubling, "%v3 = OpTypeVector %uint 3",
                  "%v3 = OpTypeVector %uint 3\n%sx = OpSpecConstant %uint 8\n"
                  "%sy = OpSpecConstantOp %uint IMul %sx %sx\n%sz = OpConstant %uint 2\n"
                  "%size = OpSpecConstantComposite %v3 %sx %sy %sz"),
             "OpDecorate %scale SpecId 5",
             "OpDecorate %scale SpecId 5\nOpDecorate %sx SpecId 0\n"
             "OpDecorate %size BuiltIn WorkgroupSize");
    EXPECT_THAT(accepted(by_constant).workgroup_size, ElementsAre(8, 64, 2));
    expect_refused(with(by_constant, "OpSpecConstant %uint 8", "OpSpecConstant %uint 64"),
                   Code::too_large, "1 to 4096 are possible");
    expect_refused(with(by_constant, "OpConstant %uint 2", "OpConstant %uint 0"), Code::malformed,
                   "");
    const Interface by_id =
        accepted(with(with(doubling, "OpExecutionMode %main LocalSize 64 2 1",
                           "OpExecutionModeId %main LocalSizeId %length %one %one"),
                      "OpDecorate %gid", "OpDecorate %gid"),
                 SPV_ENV_VULKAN_1_3);
    EXPECT_THAT(by_id.workgroup_size, ElementsAre(32, 1, 1));
    EXPECT_TRUE(by_id.needs.has(Feature::local_size_id));
    EXPECT_TRUE(by_id.needs.has(Feature::vulkan_1_3));
}

TEST(Inspect, Features) {
    const Interface told =
        accepted(with(doubling, "OpCapability Shader",
                      "OpCapability Shader\nOpCapability Float16\nOpCapability Int64\n"
                      "OpCapability GroupNonUniform\nOpCapability GroupNonUniformArithmetic"));
    EXPECT_TRUE(told.needs.has(Feature::float16));
    EXPECT_TRUE(told.needs.has(Feature::subgroup_arithmetic));
    EXPECT_FALSE(told.needs.has(Feature::float64));
    const Interface packed =
        accepted(with(doubling,
                      "OpMemberDecorate %Data 1 Offset 16\nOpDecorate %Factor Block\n"
                      "OpMemberDecorate %Factor 0 Offset 0",
                      "OpMemberDecorate %Data 1 Offset 16\nOpDecorate %Factor Block\n"
                      "OpMemberDecorate %Factor 0 Offset 4"));
    EXPECT_TRUE(packed.needs.has(Feature::scalar_layout));
}

TEST(Inspect, EntryPoints) {
    const std::string two = with(
        with(doubling, "OpExecutionMode",
             "OpEntryPoint GLCompute %other \"other\"\nOpExecutionMode %other LocalSize 1 1 1\n"
             "OpExecutionMode"),
        "%main = OpFunction",
        "%other = OpFunction %void None %fn\n%lo = OpLabel\nOpReturn\nOpFunctionEnd\n"
        "%main = OpFunction");
    const auto words = assemble(two);
    EXPECT_THAT(inspect(words, "other")->bindings, IsEmpty());
    EXPECT_EQ(inspect(words, "main")->bindings.size(), 3U);
    expect_refused(words, Code::not_found, "one has to be named: `main`, `other`");
    expect_refused(words, Code::not_found, "no entry point `mian`; it has `main`, `other`", "mian");
    expect_refused("OpCapability Shader\nOpMemoryModel Logical GLSL450\n", Code::malformed,
                   "No OpEntryPoint");
    expect_refused(with(doubling, "GLCompute %main", "Vertex %main"), Code::unsupported,
                   "`main` is for another stage than compute");
}

TEST(Inspect, WhatIsNoModule) {
    expect_refused(std::span<const std::uint32_t>(), Code::malformed, "is no SPIR-V");
    auto words = assemble(std::string(doubling));
    expect_refused(std::span(words).first(4), Code::malformed, "is no SPIR-V");
    for (std::size_t keep = 5; keep < words.size(); ++keep) {
        EXPECT_FALSE(inspect(std::span(words).first(keep), "main").has_value()) << keep;
    }
    auto changed = words;
    changed[0] = std::byteswap(changed[0]);
    expect_refused(changed, Code::malformed, "byte order");
    changed = words;
    changed[1] = 0x00010700;
    expect_refused(changed, Code::unsupported, "newer than 1.6");
    changed = words;
    changed[3] = 0xffffffffU;
    expect_refused(changed, Code::too_large, "announces 4294967295 ids");
    changed = words;
    changed.resize(module_words_max + 1);
    expect_refused(changed, Code::too_large, "words of SPIR-V; 1048576 are the most");
}

TEST(Inspect, FlippedBitsAreSeenOrHarmless) {
    const auto words = assemble(std::string(doubling));
    std::mt19937 random(1);
    for (int round = 0; round < 3000; ++round) {
        auto changed = words;
        for (int flips = static_cast<int>(random() % 3); flips >= 0; --flips) {
            changed.at(random() % changed.size()) ^= 1U << random() % 32;
        }
        const Result<Interface> told = inspect(changed, "");
        if (told) {
            EXPECT_LE(told->bindings.size(), bindings_max);
        } else {
            EXPECT_FALSE(told.error().sentence().empty());
        }
    }
}

TEST(Inspect, CapabilitiesThatReachFurther) {
    const auto needing = [](const char* lines) {
        return with(doubling, "OpCapability Shader\n", lines);
    };
    expect_refused(needing("OpCapability Shader\nOpCapability PhysicalStorageBufferAddresses\n"),
                   Code::unsupported,
                   "the capability PhysicalStorageBufferAddresses: pointers of its own");
    expect_refused(needing("OpCapability Shader\nOpCapability VariablePointers\n"),
                   Code::unsupported, "bind each buffer and index into it");
    expect_refused(needing("OpCapability Kernel\n"), Code::unsupported, "it is OpenCL's");
    expect_refused(needing("OpCapability Shader\nOpCapability ImageQuery\n"), Code::unsupported,
                   "use storage buffers");
    expect_refused(needing("OpCapability Shader\nOpCapability RayQueryKHR\n"), Code::unsupported,
                   "the capability RayQueryKHR: it is not among those");
    expect_refused(needing("OpCapability Shader\nOpExtension \"SPV_KHR_ray_query\"\n"),
                   Code::unsupported, "the extension `SPV_KHR_ray_query`");
    expect_refused(
        needing("OpCapability Shader\n%set = OpExtInstImport \"NonSemantic.DebugPrintf\"\n"),
        Code::unsupported, "without debug information and printf");
}

TEST(Inspect, VariablesThatAreNoBuffers) {
    const std::string image = with(
        with(with(doubling, "%void = OpTypeVoid",
                  "%void = OpTypeVoid\n%image_t = OpTypeSampler\n"
                  "%p_image = OpTypePointer UniformConstant %image_t\n"
                  "%image = OpVariable %p_image UniformConstant"),
             "OpName %in \"in\"", "OpName %in \"in\"\nOpName %image \"picture\""),
        "OpDecorate %in Binding 0",
        "OpDecorate %in Binding 0\nOpDecorate %image DescriptorSet 1\nOpDecorate %image Binding 3");
    expect_refused(image, Code::unsupported,
                   "binding 3 of set 1 (`picture`) is an image or a sampler");
    std::string several = with(doubling, "%p_data = OpTypePointer StorageBuffer %Data",
                               "%p_data = OpTypePointer StorageBuffer %Data\n"
                               "%two = OpConstant %uint 2\n%many = OpTypeArray %Data %two\n"
                               "%p_many = OpTypePointer StorageBuffer %many");
    several = with(several, "%unused = OpVariable %p_data", "%unused = OpVariable %p_many");
    expect_refused(several, Code::unsupported, "binding 7 of set 1 is an array of buffers");
}

TEST(Inspect, Limits) {
    expect_refused(with(doubling, "%in Binding 0", "%in Binding 256"), Code::too_large,
                   "binding 256 of set 0 (`in`) has too high a number");
    expect_refused(with(doubling, "%unused DescriptorSet 1", "%unused DescriptorSet 4"),
                   Code::too_large, "sets go to 3");
    expect_refused(
        with(doubling, "%length = OpConstant %uint 32", "%length = OpConstant %uint 16385"),
        Code::too_large, "bytes of workgroup memory of the shader: 262160");
    expect_refused(
        with(doubling, "%length = OpConstant %uint 32", "%length = OpConstant %uint 4294967295"),
        Code::too_large, "bytes of workgroup memory");
    expect_refused(with(doubling, "%Push 0 Offset 8", "%Push 0 Offset 256"), Code::too_large,
                   "bytes of push constants of the shader: 260; 256 are the most");
    expect_refused(with(doubling, "%Factor 0 Offset 0", "%Factor 0 Offset 16384"), Code::too_large,
                   "(`Factor`) takes more than 16384 bytes; use a storage buffer");
    expect_refused(
        with(doubling, "%begin = OpLabel", "%begin = OpLabel\n%own = OpVariable %p_own Function")
            .replace(0, 0, "")
            .insert(std::string(doubling).find("%in = OpVariable"),
                    "%big = OpConstant %uint 65537\n%own_t = OpTypeArray %float %big\n"
                    "%p_own = OpTypePointer Function %own_t\n"),
        Code::too_large, "the variables of one invocation take more than 262144");
}

// What makes spirv-tools slow, up to never ending, is refused before it looks.
TEST(Inspect, Complexity) {
    const auto number = [](int i) { return std::to_string(i); };
    std::string deep = "%a0 = OpTypeArray %uint %one\n";
    std::string wide = "%s0 = OpTypeStruct %uint %uint\n";
    for (int i = 1; i < 70; ++i) {
        deep += "%a" + number(i) + " = OpTypeArray %a" + number(i - 1) + " %one\n";
        wide +=
            "%s" + number(i) + " = OpTypeStruct %s" + number(i - 1) + " %s" + number(i - 1) + "\n";
    }
    const std::string types(doubling);
    const std::size_t at = types.find("%in = OpVariable");
    expect_refused(std::string(types).insert(at, deep), Code::too_large, "64 deep are the most");
    expect_refused(std::string(types).insert(at, wide), Code::too_large, "100000 in all");
    std::string functions;
    std::string blocks;
    std::string nested;
    std::string ends;
    for (int i = 0; i < 1000; ++i) {
        functions += "%f" + number(i) + " = OpFunction %void None %fn\n%l" + number(i) +
                     " = OpLabel\nOpReturn\nOpFunctionEnd\n";
    }
    for (int i = 0; i < 10000; ++i) {
        blocks += "OpBranch %b" + number(i) + "\n%b" + number(i) + " = OpLabel\n";
    }
    for (int i = 0; i < 101; ++i) {
        nested += "OpSelectionMerge %m" + number(i) + " None\nOpBranchConditional %true %t" +
                  number(i) + " %m" + number(i) + "\n%t" + number(i) + " = OpLabel\n";
        ends.insert(0, "OpBranch %m" + number(i) + "\n%m" + number(i) + " = OpLabel\n");
    }
    expect_refused(with(doubling, "%main = OpFunction", functions + "%main = OpFunction"),
                   Code::too_large, "more than 1000 functions");
    expect_refused(with(doubling, "OpReturn", blocks + "OpReturn"), Code::too_large,
                   "more than 10000 blocks");
    const std::string deep_blocks =
        with(with(doubling, "OpReturn", nested + ends + "OpReturn"), "%zero = OpConstant",
             "%bool = OpTypeBool\n%true = OpConstantTrue %bool\n%zero = OpConstant");
    expect_refused(deep_blocks, Code::malformed, "nesting depth exceeded");
}

TEST(Inspect, SpecializationConstants) {
    const std::string two =
        with(with(doubling, "%scale = OpSpecConstant %float 1.5",
                  "%scale = OpSpecConstant %float 1.5\n%flag_t = OpTypeBool\n"
                  "%flag = OpSpecConstantTrue %flag_t"),
             "OpDecorate %scale SpecId 5", "OpDecorate %scale SpecId 5\nOpDecorate %flag SpecId 2");
    EXPECT_THAT(
        accepted(two).constants,
        ElementsAre(AllOf(Field(&Constant::id, 2U), Field(&Constant::type, ScalarType::boolean),
                          Field(&Constant::bits, 1U)),
                    Field(&Constant::id, 5U)));
    expect_refused(with(two, "%flag SpecId 2", "%flag SpecId 5"), Code::malformed,
                   "two constants of the shader have the id 5");
}

TEST(Inspect, RecursionAndPointersWithoutAPlace) {
    expect_refused(with(doubling, "OpStore %po %c", "%again = OpFunctionCall %void %main"),
                   Code::malformed, "");
    const std::string copied =
        with(doubling, "%pi = OpAccessChain %p_float %in %one %x",
             "%nowhere = OpUndef %p_float\n%pi = OpCopyObject %p_float %nowhere");
    expect_refused(copied, Code::unsupported, "keeps pointers where they could be anything");
}

}  // namespace
}  // namespace repartir::gpu
