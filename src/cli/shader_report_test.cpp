// SPDX-License-Identifier: MIT
#include "cli/shader_report.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <nlohmann/json.hpp>

namespace repartir::cli {
namespace {

using gpu::BindingKind;
using gpu::ScalarType;

gpu::Interface whole() {
    gpu::Interface told;
    told.entry = "main";
    told.workgroup_size = {64, 2, 1};
    told.shared_bytes = 4096;
    told.push_constant_bytes = 8;
    told.bindings = {{0, 0, BindingKind::storage, true, false, 16, 4, "in"},
                     {0, 1, BindingKind::uniform, true, false, 64, 0, "sizes"},
                     {1, 0, BindingKind::storage, false, true, 0, 4, "o\nut"}};
    told.constants = {{0, ScalarType::boolean, 1, "on"},
                      {1, ScalarType::int32, 0xffffffffU, ""},
                      {2, ScalarType::float32, std::bit_cast<std::uint32_t>(0.1F), "scale"},
                      {3, ScalarType::int8, 0xffffff80U, ""},
                      {4, ScalarType::float16, 0x3c00, ""}};
    told.needs.add(gpu::Feature::float16);
    told.needs.add(gpu::Feature::subgroup_basic);
    return told;
}

TEST(ShaderReport, ForPeople) {
    EXPECT_EQ(shader_text("a.wgsl", whole()),
              "a.wgsl:         valid\n"
              "entry point     main\n"
              "workgroup       64 x 2 x 1\n"
              "shared memory   4.0 KiB\n"
              "push constants  8 B\n"
              "needs           float16, subgroup_basic\n"
              "\n"
              "set  binding  kind     access  bytes        name\n"
              "0    0        storage  read    16 + 4 each  in\n"
              "0    1        uniform  read    64           sizes\n"
              "1    0        storage  write   4 each       o\\x0aut\n"
              "\n"
              "constant  type     value   name\n"
              "0         bool     true    on\n"
              "1         int32    -1\n"
              "2         float32  0.1     scale\n"
              "3         int8     -128\n"
              "4         float16  0x3c00\n");
}

TEST(ShaderReport, AsJson) {
    const auto told = nlohmann::json::parse(shader_json("a.wgsl", gpu::Compiled{{}, whole()}));
    EXPECT_EQ(told["v"], 1);
    EXPECT_EQ(told["type"], "shader");
    EXPECT_EQ(told["file"], "a.wgsl");
    EXPECT_TRUE(told["error"].is_null());
    const auto& interface = told["interface"];
    EXPECT_EQ(interface["workgroup_size"], nlohmann::json::parse("[64,2,1]"));
    EXPECT_EQ(interface["bindings"][2]["name"], "o\nut");
    EXPECT_EQ(interface["bindings"][1]["kind"], "uniform");
    EXPECT_EQ(interface["bindings"][0]["element_bytes"], 4);
    EXPECT_EQ(interface["constants"][2]["value"], "0.1");
    EXPECT_EQ(interface["needs"], nlohmann::json::parse(R"(["float16","subgroup_basic"])"));
}

TEST(ShaderReport, AnErrorAsJson) {
    const auto told = nlohmann::json::parse(shader_json(
        "a.wgsl", fail(Error(Domain::gpu, Code::malformed, Fault::user, "it is\nwrong"))));
    EXPECT_TRUE(told["interface"].is_null());
    EXPECT_EQ(told["error"]["code"], "malformed");
    EXPECT_EQ(told["error"]["sentence"], "it is\nwrong");
}

}  // namespace
}  // namespace repartir::cli
