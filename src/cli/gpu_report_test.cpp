// SPDX-License-Identifier: MIT
#include "cli/gpu_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace repartir::cli {
namespace {

using testing::HasSubstr;

Gpus two() {
    gpu::DeviceInfo large;
    large.name = "NVIDIA H100";
    large.type = gpu::DeviceType::discrete;
    large.uuid = "d1c8";
    large.vendor = "NVIDIA";
    large.driver = "NVIDIA";
    large.driver_version = "535.183.01";
    large.vulkan = {1, 3, 242};
    large.memory_bytes = 80ULL << 30U;
    large.memory_available_bytes = 79ULL << 30U;
    large.subgroup_size = 32;
    large.limits.workgroup_count_max = {7, 8, 9};
    large.features.float64 = true;
    large.queue_families = {{16, true, true, false}};
    gpu::DeviceInfo soft;
    soft.name = "soft\nware";
    soft.type = gpu::DeviceType::cpu;
    soft.why_not = "it is too old";
    soft.faults = {"it is wrong", "it is slow"};
    soft.driver_version = "0.0.1";
    soft.vulkan = {1, 0, 3};
    return std::vector{large, soft};
}

Gpus none() {
    return fail(Error(Domain::gpu, Code::unsupported, Fault::user, "there is no\tloader"));
}

TEST(GpuReport, ATable) {
    EXPECT_EQ(
        gpus_text(two()),
        "#  name          type      memory    driver             vulkan   state\n"
        "0  NVIDIA H100   discrete  80.0 GiB  NVIDIA 535.183.01  1.3.242  usable\n"
        "1  soft\\x0aware  cpu       0 B       0.0.1              1.0.3    unusable: it is too"
        " old\n"
        "   known fault: it is wrong\n"
        "   known fault: it is slow\n");
}

TEST(GpuReport, LinesOfAMachine) {
    EXPECT_EQ(gpu_lines(two()),
              "GPU 0       NVIDIA H100, discrete, 80.0 GiB, Vulkan 1.3.242, NVIDIA 535.183.01\n"
              "GPU 1       soft\\x0aware, cpu, 0 B, Vulkan 1.0.3, 0.0.1, unusable: it is too old,"
              " with known faults (repartir gpu list)\n");
    EXPECT_EQ(gpu_lines({}), "") << "not looked for";
}

TEST(GpuReport, WhyThereIsNone) {
    EXPECT_EQ(gpus_text(none()), "gpus: none, because there is no\\x09loader\n");
    EXPECT_EQ(gpu_lines(none()), "GPUs        none, because there is no\\x09loader\n");
    const auto json = nlohmann::json::parse(gpus_json(none()));
    EXPECT_EQ(json["gpus"], nlohmann::json::array());
    EXPECT_EQ(json["why_no_gpus"], (nlohmann::json{{"domain", "gpu"},
                                                   {"code", "unsupported"},
                                                   {"fault", "user"},
                                                   {"sentence", "there is no\tloader"}}));
}

TEST(GpuReport, ForPrograms) {
    const auto json = nlohmann::json::parse(gpus_json(two()));
    EXPECT_EQ(json["v"], 1);
    EXPECT_EQ(json["type"], "gpus");
    EXPECT_TRUE(json["why_no_gpus"].is_null());
    ASSERT_EQ(json["gpus"].size(), 2U);
    const auto& large = json["gpus"][0];
    EXPECT_EQ(large["index"], 0);
    EXPECT_EQ(large["vulkan"], "1.3.242");
    EXPECT_EQ(large["memory_available_bytes"], 79ULL << 30U);
    EXPECT_EQ(large["subgroup_size"], 32);
    EXPECT_EQ(large["limits"]["workgroup_count_max"], (nlohmann::json{7, 8, 9}));
    EXPECT_EQ(large["limits"].size(), 9U);
    EXPECT_EQ(large["features"].size(), 15U);
    EXPECT_EQ(large["features"]["float64"], true);
    EXPECT_EQ(large["features"]["float16"], false);
    EXPECT_EQ(large["queue_families"][0]["count"], 16);
    const auto& soft = json["gpus"][1];
    EXPECT_EQ(soft["usable"], false);
    EXPECT_EQ(soft["why_not"], "it is too old");
    EXPECT_EQ(soft["faults"].size(), 2U);
    EXPECT_TRUE(soft["memory_available_bytes"].is_null());
}

}  // namespace
}  // namespace repartir::cli
