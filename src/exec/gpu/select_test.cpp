// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repartir/gpu.hpp"

namespace repartir::gpu {
namespace {

using testing::AllOf;
using testing::HasSubstr;

DeviceInfo device(std::string name, std::string uuid, DeviceType type = DeviceType::discrete) {
    DeviceInfo info;
    info.name = std::move(name);
    info.uuid = std::move(uuid);
    info.type = type;
    return info;
}

/// Two twins, one that is too old, one with a name that is a part of another's, two CPU drivers.
std::vector<DeviceInfo> machine() {
    std::vector<DeviceInfo> all{
        device("NVIDIA A100", "a1b20000-0000-0000-0000-000000000001"),
        device("NVIDIA A100", "a1c30000-0000-0000-0000-000000000002"),
        device("AMD Radeon 7", "40900000-0000-0000-0000-000000000003"),
        device("GeForce RTX 4090", ""),
        device("GeForce RTX 4090 D", "99000000-0000-0000-0000-000000000004"),
        device("llvmpipe", "6d657361-0000-0000-0000-000000000005", DeviceType::cpu),
        device("SwiftShader", "53776966-0000-0000-0000-000000000006", DeviceType::cpu),
    };
    all[2].why_not = "it has Vulkan 1.1.0; 1.2 is needed";
    all[5].faults = {"it is wrong"};
    return all;
}

Error refusal(std::span<const DeviceInfo> devices, std::string_view word) {
    const auto chosen = select(devices, word);
    EXPECT_FALSE(chosen) << word;
    EXPECT_EQ(chosen ? Domain::task : chosen.error().domain(), Domain::gpu);
    return chosen ? Error(Domain::gpu, Code::internal, Fault::node, "") : chosen.error();
}

TEST(Select, Any) {
    std::vector<DeviceInfo> all = machine();
    EXPECT_EQ(select(all, "any"), 0U);
    all[0].why_not = all[1].why_not = "broken";
    EXPECT_EQ(select(all, "ANY"), 3U) << "the first that can be used";
}

TEST(Select, NeverADriverWithFaultsUnlessItIsNamed) {
    std::vector<DeviceInfo> all = machine();
    EXPECT_EQ(select(all, "cpu"), 6U);
    EXPECT_EQ(select(all, "llvmpipe"), 5U);
    all.resize(6);
    all.erase(all.begin(), all.end() - 1);
    EXPECT_EQ(refusal(all, "any").code(), Code::not_found);
    EXPECT_THAT(refusal(all, "cpu").sentence(),
                AllOf(HasSubstr("no known faults"), HasSubstr("0: llvmpipe (6d657361-")));
}

TEST(Select, ByPosition) {
    EXPECT_EQ(select(machine(), "0"), 0U);
    EXPECT_EQ(select(machine(), "6"), 6U);
    EXPECT_EQ(refusal(machine(), "7").code(), Code::not_found) << "not the Radeon 7";
    EXPECT_EQ(refusal(machine(), "100").code(), Code::not_found) << "not an A100";
    EXPECT_EQ(refusal(machine(), "-1").code(), Code::not_found);
    EXPECT_EQ(refusal(machine(), "99999999999999999999999").code(), Code::not_found);
}

TEST(Select, ByUuid) {
    EXPECT_EQ(select(machine(), "a1c3"), 1U);
    EXPECT_EQ(select(machine(), "A1C30000-0000-0000-0000-000000000002"), 1U);
    EXPECT_EQ(select(machine(), "GPU-a1b20000-0000-0000-0000-000000000001"), 0U);
    EXPECT_EQ(select(machine(), "9900"), 4U) << "too long to be a position";
    EXPECT_EQ(refusal(machine(), "a1").code(), Code::invalid_argument) << "of two";
    EXPECT_EQ(refusal(machine(), "gpu-").code(), Code::not_found);
}

TEST(Select, ByName) {
    EXPECT_EQ(select(machine(), "swift"), 6U);
    EXPECT_EQ(select(machine(), "geforce rtx 4090"), 3U) << "a whole name goes first";
    EXPECT_EQ(select(machine(), "4090 d"), 4U);
    const Error several = refusal(machine(), "a100");
    EXPECT_EQ(several.code(), Code::invalid_argument);
    EXPECT_EQ(several.sentence(),
              "\"a100\" is more than one GPU (0: NVIDIA A100 (a1b20000-0000-0000-0000-000000000001"
              "), 1: NVIDIA A100 (a1c30000-0000-0000-0000-000000000002)); name it by position or"
              " UUID");
    EXPECT_EQ(refusal(machine(), "4090").code(), Code::invalid_argument)
        << "the beginning of a UUID and a part of names";
}

TEST(Select, WhatCannotBeUsedIsRefusedWithTheReason) {
    const Error error = refusal(machine(), "2");
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_EQ(error.sentence(), "AMD Radeon 7 cannot be used: it has Vulkan 1.1.0; 1.2 is needed");
}

TEST(Select, RefusalsListWhatThereIs) {
    EXPECT_THAT(refusal(machine(), "titan").sentence(),
                AllOf(HasSubstr("no GPU is called \"titan\""), HasSubstr("3: GeForce RTX 4090, "),
                      HasSubstr("6: SwiftShader (53776966-")));
    EXPECT_THAT(refusal({}, "any").sentence(), HasSubstr("there is: none"));
    EXPECT_EQ(refusal(machine(), "").code(), Code::invalid_argument);
}

}  // namespace
}  // namespace repartir::gpu
