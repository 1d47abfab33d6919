// SPDX-License-Identifier: MIT
#include "exec/gpu/devices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "exec/gpu/swiftshader_fixture.hpp"
#include "repartir/codec.hpp"

namespace repartir::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DevicesOnSwiftShader : public OnSwiftShader {};

DeviceInfo device(std::string name, DeviceType type, std::uint64_t gib, std::string uuid = "") {
    DeviceInfo info;
    info.name = std::move(name);
    info.type = type;
    info.memory_bytes = gib << 30U;
    info.uuid = std::move(uuid);
    return info;
}

DiscoveryOptions with_cpu() {
    DiscoveryOptions options;
    options.allow_cpu = true;
    return options;
}

std::vector<std::string> names(const Result<std::vector<DeviceInfo>>& devices) {
    std::vector<std::string> all;
    for (const DeviceInfo& one : devices.value()) {
        all.push_back(one.name + one.uuid);
    }
    return all;
}

TEST(Devices, TheBestComeFirst) {
    std::vector<DeviceInfo> all{
        device("cpu", DeviceType::cpu, 512),
        device("odd", DeviceType::other, 99),
        device("part", DeviceType::virtual_gpu, 99),
        device("inside", DeviceType::integrated, 99),
        device("small", DeviceType::discrete, 8),
        device("twin", DeviceType::discrete, 16, "2"),
        device("twin", DeviceType::discrete, 16, "1"),
        device("large", DeviceType::discrete, 80),
        device("also", DeviceType::discrete, 16, "3"),
    };
    const std::vector<std::string> wanted{"large",  "also3", "twin1", "twin2", "small",
                                          "inside", "part",  "odd",   "cpu"};
    EXPECT_EQ(names(in_order(all, with_cpu())), wanted);
    std::ranges::reverse(all);  // whatever order they come in
    EXPECT_EQ(names(in_order(all, with_cpu())), wanted);
    EXPECT_EQ(names(in_order(all, {})), std::vector<std::string>(wanted.begin(), wanted.end() - 1));
}

TEST(Devices, ThatThereIsNoneIsAnOrdinaryAnswer) {
    const auto none = in_order({}, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), Code::unsupported);
    const auto hidden = in_order({device("Soft", DeviceType::cpu, 1)}, {});
    ASSERT_FALSE(hidden);
    EXPECT_EQ(hidden.error().code(), Code::unsupported);
    EXPECT_THAT(hidden.error().sentence(), HasSubstr("CPU driver, Soft, which has to be allowed"));
    EXPECT_FALSE(devices_by("libno-such-vulkan.so", {}));
}

TEST(Devices, OneThatCannotBeUsedIsListed) {
    DeviceInfo old = device("old", DeviceType::discrete, 8);
    old.why_not = "it has Vulkan 1.0.3; 1.2 is needed";
    EXPECT_THAT(names(in_order({old}, {})), ElementsAre("old"));
}

TEST(Devices, TypesAndVersionsHaveNames) {
    for (const auto& [type, name] : {std::pair{DeviceType::discrete, "discrete"},
                                     {DeviceType::integrated, "integrated"},
                                     {DeviceType::virtual_gpu, "virtual"},
                                     {DeviceType::other, "other"},
                                     {DeviceType::cpu, "cpu"},
                                     {static_cast<DeviceType>(77), "other"}}) {
        EXPECT_EQ(to_string(type), name);
    }
    EXPECT_EQ(to_string(ApiVersion{1, 3, 242}), "1.3.242");
    EXPECT_LT((ApiVersion{1, 1, 999}), api_version_min);
}

TEST(Devices, TravelAsBytes) {
    DeviceInfo info = device("x", DeviceType::virtual_gpu, 3, "u");
    info.why_not = "so";
    info.faults = {"a", "b"};
    info.vulkan = {1, 2, 3};
    info.memory_available_bytes = 5;
    info.limits.workgroup_count_max = {1, 2, 3};
    info.features.int64 = true;
    info.queue_families = {{3, true, false, true}};
    const auto again = codec::decode<DeviceInfo>(codec::encode(info));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, info);
}

TEST_F(DevicesOnSwiftShader, ACpuDriverOnlyWhenAsked) {
    const auto hidden = devices();
    ASSERT_FALSE(hidden);
    EXPECT_EQ(hidden.error().code(), Code::unsupported);
    EXPECT_THAT(hidden.error().sentence(), HasSubstr("SwiftShader"));
    const auto shown = devices(with_cpu());
    ASSERT_TRUE(shown) << shown.error().sentence();
    ASSERT_EQ(shown->size(), 1U);
    EXPECT_EQ(shown->front().type, DeviceType::cpu);
    EXPECT_EQ(select(*shown, "cpu"), 0U);
}

}  // namespace
}  // namespace repartir::gpu
