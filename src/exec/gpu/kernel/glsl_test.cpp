// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/glsl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "exec/gpu/kernel/check.hpp"

namespace repartir::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class Glsl : public testing::Test {
    GlslTables kept_;
};

// Sums blocks in workgroup memory, with much of what the language has.
constexpr std::string_view reduction = R"(#version 450
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint scale = 3;
layout(set = 0, binding = 0, std430) readonly buffer In { uint count; uint data[]; } source;
layout(set = 0, binding = 1, std430) writeonly buffer Out { uint sums[]; };
layout(set = 0, binding = 2, std140) uniform Parameters { mat4x3 m; float f[3]; } unused;
layout(set = 1, binding = 0, std140) uniform Used { mat4x3 m; float f[3]; } used;
layout(push_constant) uniform Push { uint first; uint last; } push;
layout(local_size_x = 64) in;
shared uint part[64];
void main() {
    uint i = gl_GlobalInvocationID.x + push.first;
    part[gl_LocalInvocationIndex] = i < source.count ? source.data[i] * scale : uint(used.f[1]);
    barrier();
    uint sum = subgroupAdd(part[gl_LocalInvocationIndex]);
    atomicAdd(part[0], sum);
    barrier();
    if (gl_LocalInvocationIndex == 0) sums[gl_WorkGroupID.x] = part[0];
}
)";

std::string refused(std::string_view source) {
    const auto words = compile_glsl(source);
    EXPECT_FALSE(words.has_value());
    return words ? "" : words.error().sentence();
}

TEST_F(Glsl, AWholeShader) {
    const auto words = compile_glsl(reduction);
    ASSERT_TRUE(words.has_value()) << words.error().sentence();
    const Result<Interface> told = inspect(*words, "main");
    ASSERT_TRUE(told.has_value()) << told.error().sentence();
    EXPECT_THAT(told->workgroup_size, ElementsAre(64, 1, 1));
    EXPECT_THAT(told->bindings,
                ElementsAre(Binding{0, 0, BindingKind::storage, true, false, 4, 4, "source"},
                            Binding{0, 1, BindingKind::storage, false, true, 0, 4, "Out"},
                            Binding{1, 0, BindingKind::uniform, true, false, 100, 0, "used"}));
    EXPECT_EQ(told->push_constant_bytes, 8U);
    EXPECT_EQ(told->shared_bytes, 256U);
    EXPECT_EQ(told->constants.size(), 2U);
    EXPECT_TRUE(told->needs.has(Feature::subgroup_arithmetic));
}

TEST_F(Glsl, TheSameTextGivesTheSameWords) {
    EXPECT_EQ(*compile_glsl(reduction), *compile_glsl(reduction));
}

TEST_F(Glsl, ErrorsShowTheLine) {
    EXPECT_EQ(refused("#version 450\nvoid main() {\n    uint x = y + 1;\n}\n"),
              "the GLSL does not compile: 3:14: 'y' : undeclared identifier\n"
              "    uint x = y + 1;\n"
              "             ^");
}

TEST_F(Glsl, EveryErrorIsTold) {
    const std::string told = refused("#version 450\nvoid f() { a = 1; }\nvoid main() { b = 2; }");
    EXPECT_THAT(told, HasSubstr("2:12: 'a'"));
    EXPECT_THAT(told, HasSubstr("\n3:15: 'b'"));
}

TEST_F(Glsl, FilesCannotBeIncluded) {
    for (const char* which : {"\"a.h\"", "<a.h>"}) {
        EXPECT_THAT(refused("#version 450\n#include " + std::string(which) + "\nvoid main() {}"),
                    HasSubstr("files cannot be included; put their text in place"));
    }
}

TEST_F(Glsl, WhatIsNoComputeShader) {
    EXPECT_THAT(refused(""), StartsWith("the GLSL does not compile: "));
    EXPECT_THAT(refused("#version 450\nvoid f() {}"), HasSubstr("Missing entry point"));
    EXPECT_THAT(refused("#version 450\nvoid main() { gl_Position = vec4(0); }"),
                HasSubstr("gl_Position"));
    EXPECT_THAT(refused("#version 450\nbuffer B { float x[]; } b;\nvoid main() { b.x[0] = 1; }"),
                HasSubstr("binding"));
}

TEST_F(Glsl, VersionsAreOptional) { EXPECT_TRUE(compile_glsl("void main() {}").has_value()); }

TEST_F(Glsl, DeepTextsAreRefusedAndWideOnesFit) {
    std::string deep = "#version 450\nvoid main() { int x = ";
    EXPECT_THAT(refused(deep + std::string(100000, '(')), HasSubstr("brackets inside"));
    std::string sum = deep + "1";
    for (int i = 0; i < 3900; ++i) {
        sum += "+1";
    }
    EXPECT_TRUE(compile_glsl(sum + "; }").has_value());
    std::string chain = "#version 450\nvoid main() { int x = 0; if (x == 1) x = 0;";
    for (int i = 0; i < 1000; ++i) {
        chain += "else if (x == 1) x = 2;";
    }
    EXPECT_TRUE(compile_glsl(chain + "}").has_value());
}

TEST_F(Glsl, SeveralThreads) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([] {
            for (int round = 0; round < 5; ++round) {
                EXPECT_TRUE(compile_glsl(reduction).has_value());
            }
        });
    }
}

}  // namespace
}  // namespace repartir::gpu
