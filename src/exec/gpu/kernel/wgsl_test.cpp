// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/wgsl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "exec/gpu/kernel/check.hpp"

namespace repartir::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view histogram = R"(
enable f16;
override bins: u32 = 16;
@id(7) override scale: f32;
override threads: u32 = bins * 4;
struct Parameters { first: u32, weights: array<vec4<f32>, 3> }
@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> parameters: Parameters;
@group(1) @binding(0) var<storage, read_write> unused: array<f16>;
var<workgroup> part: array<atomic<u32>, bins>;
@compute @workgroup_size(threads, 2)
fn count(@builtin(global_invocation_id) id: vec3<u32>,
         @builtin(local_invocation_index) local: u32) {
    let i = id.x + parameters.first;
    atomicAdd(&part[data[i] % bins], u32(scale * parameters.weights[1].x));
    workgroupBarrier();
    let all = subgroupAdd(atomicLoad(&part[local]));
    atomicAdd(&counts[local], all);
}
@compute @workgroup_size(1)
fn clear() { atomicStore(&counts[0], 0u); }
)";

class Wgsl : public testing::Test {
  protected:
    void SetUp() override {
        if (!has_wgsl()) {
            GTEST_SKIP() << "WGSL is not built in";
        }
    }
    static std::string refused(std::string_view source, std::string_view entry = "",
                               const std::vector<NamedConstant>& constants = {}) {
        const auto words = compile_wgsl(source, entry, constants);
        EXPECT_FALSE(words.has_value()) << source;
        return words ? "" : words.error().sentence();
    }
    static Interface accepted(std::string_view source, std::string_view entry = "",
                              const std::vector<NamedConstant>& constants = {}) {
        const auto words = compile_wgsl(source, entry, constants);
        EXPECT_TRUE(words.has_value()) << words.error().sentence();
        const auto told = words ? inspect(*words, entry) : Result<Interface>();
        EXPECT_TRUE(told.has_value()) << told.error().sentence();
        return told.value_or(Interface{});
    }
};

TEST_F(Wgsl, AWholeShader) {
    const Interface told = accepted(histogram, "count", {{"7", 2}, {"bins", 32}});
    EXPECT_EQ(told.entry, "count");
    EXPECT_THAT(told.workgroup_size, ElementsAre(128, 2, 1));
    ASSERT_EQ(told.bindings.size(), 3U);
    EXPECT_EQ(told.bindings[0], (Binding{0, 0, BindingKind::storage, true, false, 0, 4, "data"}));
    EXPECT_EQ(told.bindings[1], (Binding{0, 1, BindingKind::storage, true, true, 0, 4, "counts"}));
    EXPECT_EQ(told.bindings[2],
              (Binding{0, 2, BindingKind::uniform, true, false, 64, 0, "parameters"}));
    EXPECT_GE(told.shared_bytes, 128U);
    EXPECT_TRUE(told.constants.empty());
    EXPECT_TRUE(told.needs.has(Feature::subgroup_arithmetic));
    EXPECT_FALSE(told.needs.has(Feature::float16));
    EXPECT_EQ(accepted(histogram, "clear").bindings.size(), 1U);
}

TEST_F(Wgsl, TheSameTextGivesTheSameWords) {
    const std::vector<NamedConstant> constants{{"7", 2}, {"bins", 32}};
    EXPECT_EQ(*compile_wgsl(histogram, "count", constants),
              *compile_wgsl(histogram, "count", constants));
}

TEST_F(Wgsl, Overrides) {
    EXPECT_THAT(refused(histogram, "count"), HasSubstr("the override `7` has no value"));
    EXPECT_THAT(refused(histogram, "count", {{"7", 1}, {"bin", 2}}),
                HasSubstr("there is no override `bin`"));
    EXPECT_THAT(refused(histogram, "count", {{"7", 1}, {"bins", -1}}), HasSubstr("fit"));
}

TEST_F(Wgsl, EntryPoints) {
    EXPECT_THAT(refused(histogram), HasSubstr("one has to be named: count, clear"));
    EXPECT_THAT(refused(histogram, "main"), HasSubstr("no entry point `main`; there is: count"));
    EXPECT_THAT(refused("fn f() {}"), HasSubstr("there is no compute entry point"));
    // Other stages do not matter.
    EXPECT_EQ(accepted("@vertex fn v() -> @builtin(position) vec4<f32> { return vec4<f32>(); }\n"
                       "@compute @workgroup_size(8) fn main() {}")
                  .workgroup_size[0],
              8U);
}

TEST_F(Wgsl, ErrorsShowTheLine) {
    EXPECT_EQ(refused("@compute @workgroup_size(1)\nfn main() {\n    let x = y + 1;\n}\n"),
              "the WGSL does not compile: 3:13: no definition in scope for identifier: `y` "
              "(unknown identifier)\n"
              "    let x = y + 1;\n"
              "            ^");
    EXPECT_THAT(refused("@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }"),
                HasSubstr("^"));
    EXPECT_THAT(refused("@group(0) @binding(0) var<storage> a: array<bool>;\n"
                        "@compute @workgroup_size(1) fn main() { _ = a[0]; }"),
                HasSubstr("1:"));
    EXPECT_THAT(refused("fn a\xff() {}"), HasSubstr("1:5: this is no UTF-8"));
}

TEST_F(Wgsl, WhatIsNotAllowed) {
    for (const char* source : {"@group(0) @binding(0) var t: texture_2d<f32>;\n"
                               "@compute @workgroup_size(1) fn main() { "
                               "_ = textureLoad(t, vec2<i32>(), 0); }",
                               "@compute @workgroup_size(1) fn main() { f(); }\n"
                               "fn f() { main2(); } fn main2() { f(); }"}) {
        const auto words = compile_wgsl(source, "", {});
        EXPECT_TRUE(!words || !inspect(*words, "")) << source;
    }
}

TEST_F(Wgsl, IndicesAreChecked) {
    // An index into a buffer is held to the buffer's length.
    const auto plain = compile_wgsl(
        "@group(0) @binding(0) var<storage, read_write> a: array<u32>;\n"
        "@compute @workgroup_size(1) fn main("
        "@builtin(global_invocation_id) id: vec3<u32>) {\n"
        "a[id.x * 1000u] = 1u; }",
        "", {});
    ASSERT_TRUE(plain.has_value());
    bool length = false;
    for (std::size_t at = 5; at < plain->size(); at += (*plain)[at] >> 16U) {
        length |= ((*plain)[at] & 0xffffU) == 68U;  // OpArrayLength
    }
    EXPECT_TRUE(length);
}

TEST_F(Wgsl, DeepTextsAreRefusedAndWideOnesFit) {
    const std::string begin = "@compute @workgroup_size(1) fn main() { var x = ";
    EXPECT_THAT(refused(begin + std::string(100000, '(')), HasSubstr("brackets inside"));
    std::string sum = begin + "1";
    for (int i = 0; i < 3900; ++i) {
        sum += "+1";
    }
    EXPECT_EQ(accepted(sum + "; }").workgroup_size[0], 1U);
    EXPECT_THAT(refused(begin + std::string(190, '(') + "1"), StartsWith("the WGSL does not"));
    std::string chain = begin + "0; if x == 1 { x = 0; }";
    for (int i = 0; i < 1900; ++i) {
        chain += "else if x == 1 { x = 2; }";
    }
    (void)compile_wgsl(chain + "}", "", {});  // either way, it returns
}

TEST_F(Wgsl, SeveralThreads) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([] {
            for (int round = 0; round < 10; ++round) {
                EXPECT_EQ(accepted(histogram, "clear").bindings.size(), 1U);
            }
        });
    }
}

}  // namespace
}  // namespace repartir::gpu
