// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/compile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "exec/gpu/kernel/wgsl.hpp"

namespace repartir::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Its workgroup and its shared memory follow from constants.
constexpr std::string_view tiles = R"(#version 450
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint per_invocation = 2;
layout(binding = 0) buffer Data { uint data[]; };
shared uint tile[per_invocation * 4 + 1];
shared uint more[gl_WorkGroupSize.x > 1 ? gl_WorkGroupSize.x - 1 : 3];
void main() {
    tile[0] = data[0] + more[0];
    barrier();
    data[gl_GlobalInvocationID.x] = tile[0];
}
)";

void expect_refused(const Shader& shader, Code code, std::string_view words,
                    std::string_view entry = "", std::vector<NamedConstant> constants = {}) {
    const Result<Compiled> told = compile(shader, entry, constants);
    ASSERT_FALSE(told.has_value()) << words;
    EXPECT_EQ(told.error().code(), code);
    EXPECT_THAT(told.error().sentence(), HasSubstr(std::string(words)));
}

TEST(Compile, SizesFollowConstants) {
    const Shader shader = Shader::glsl(tiles);
    EXPECT_EQ(compile(shader, "main")->interface.shared_bytes, 36U + 12U);
    const std::vector<NamedConstant> constants{{"per_invocation", 100}, {"0", 32}};
    const Result<Compiled> told = compile(shader, "main", constants);
    ASSERT_TRUE(told.has_value()) << told.error().sentence();
    EXPECT_EQ(told->interface.shared_bytes, 1604U + 31U * 4U);
    EXPECT_THAT(told->interface.workgroup_size, ElementsAre(32, 1, 1));
    expect_refused(shader, Code::too_large, "bytes of workgroup memory", "",
                   {{"per_invocation", 1e6}});
    expect_refused(shader, Code::too_large, "1 to 4096 are possible", "", {{"0", 5000}});
}

TEST(Compile, SpirvIsTakenAsItIs) {
    const Result<Compiled> once = compile(Shader::glsl(tiles), "main");
    const Result<Compiled> again = compile(Shader::spirv(once->words), "main");
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->words, once->words);
    EXPECT_EQ(again->interface, once->interface);
}

TEST(Compile, WhatIsNoShader) {
    expect_refused(Shader(), Code::invalid_argument, "the shader is empty");
    expect_refused(Shader::glsl(tiles), Code::not_found, "has no entry point `mian`", "mian");
    expect_refused(Shader::glsl(tiles), Code::not_found, "no constant `size`; it has 0", "",
                   {{"size", 1}});
    expect_refused(Shader::glsl("#version 450\nlayout(binding = 0, rgba8) uniform image2D i;\n"
                                "void main() { imageStore(i, ivec2(0), vec4(0)); }"),
                   Code::unsupported, "binding 0 of set 0 (`i`) is an image");
    expect_refused(Shader::glsl("#version 450\n#extension GL_EXT_buffer_reference : require\n"
                                "layout(buffer_reference) buffer P { uint x; };\n"
                                "layout(push_constant) uniform Push { P p; };\n"
                                "void main() { p.x = 1; }"),
                   Code::unsupported, "PhysicalStorageBufferAddresses: pointers of its own");
}

TEST(Compile, TheFileIsNamed) {
    const std::string path = testing::TempDir() + "repartir_compile_test.glsl";
    std::ofstream(path) << "void main() { x = 1; }";
    expect_refused(*Shader::from_file(path), Code::malformed,
                   path + ": the GLSL does not compile: 1:15: 'x'");
    std::filesystem::remove(path);
}

TEST(Compile, Wgsl) {
    const Shader shader = Shader::wgsl("@compute @workgroup_size(4) fn main() {}");
    const Result<Compiled> told = compile(shader, "");
    ASSERT_EQ(told.has_value(), has_wgsl());
    if (!told) {
        EXPECT_EQ(told.error().code(), Code::unsupported);
        EXPECT_THAT(told.error().sentence(), HasSubstr("cargo"));
    }
}

}  // namespace
}  // namespace repartir::gpu
