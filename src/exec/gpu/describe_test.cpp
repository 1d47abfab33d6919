// SPDX-License-Identifier: MIT
#include "exec/gpu/describe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "exec/gpu/swiftshader_fixture.hpp"

namespace repartir::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DescribeSwiftShader : public OnSwiftShader {};

/// A device with two heaps of its own and all that can be had.
RawDevice large() {
    RawDevice raw;
    std::strcpy(static_cast<char*>(raw.properties.deviceName), "NVIDIA H100 80GB HBM3");
    raw.properties.vendorID = 0x10DE;
    raw.properties.deviceID = 0x2330;
    raw.properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    raw.properties.apiVersion = VK_MAKE_API_VERSION(0, 1, 3, 242);
    raw.properties.driverVersion = (535U << 22U) | (183U << 14U) | (1U << 6U);
    raw.queues = {{VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT, 16, 64, {}},
                  {VK_QUEUE_TRANSFER_BIT, 2, 64, {}},
                  {VK_QUEUE_SPARSE_BINDING_BIT, 1, 64, {}}};
    raw.memory.memoryHeapCount = 3;
    raw.memory.memoryHeaps[0] = {80ULL << 30U, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
    raw.memory.memoryHeaps[1] = {500ULL << 30U, 0};
    raw.memory.memoryHeaps[2] = {1ULL << 30U, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
    return raw;
}

TEST(Describe, InOurWords) {
    const DeviceInfo info = describe(large());
    EXPECT_EQ(info.name, "NVIDIA H100 80GB HBM3");
    EXPECT_EQ(info.type, DeviceType::discrete);
    EXPECT_EQ(info.vendor, "NVIDIA");
    EXPECT_EQ(info.device_id, 0x2330U);
    EXPECT_EQ(info.driver_version, "535.183.1") << "made from the number: there is no text";
    EXPECT_EQ(to_string(info.vulkan), "1.3.242");
    EXPECT_EQ(info.memory_bytes, 81ULL << 30U) << "only what is its own";
    EXPECT_EQ(info.memory_available_bytes, std::nullopt);
    EXPECT_THAT(info.queue_families,
                ElementsAre(QueueFamily{16, true, true, true}, QueueFamily{2, false, true, false},
                            QueueFamily{1, false, false, false}));
    EXPECT_TRUE(info.usable()) << info.why_not;
    EXPECT_THAT(info.faults, IsEmpty());
    EXPECT_EQ(info.uuid, "");
}

TEST(Describe, TheTextOfADriverGoesBeforeItsNumber) {
    RawDevice raw = large();
    std::strcpy(static_cast<char*>(raw.driver.driverName), "NVIDIA");
    std::strcpy(static_cast<char*>(raw.driver.driverInfo), "535.183.01");
    EXPECT_EQ(describe(raw).driver, "NVIDIA");
    EXPECT_EQ(describe(raw).driver_version, "535.183.01");
}

TEST(Describe, FreeMemoryWhereTheDriverTells) {
    RawDevice raw = large();
    raw.extensions = {VK_EXT_MEMORY_BUDGET_EXTENSION_NAME};
    raw.budget.heapBudget[0] = 70ULL << 30U;
    raw.budget.heapUsage[0] = 10ULL << 30U;
    raw.budget.heapBudget[1] = 400ULL << 30U;
    raw.budget.heapBudget[2] = 1;
    raw.budget.heapUsage[2] = 2;  // over its budget: nothing is left, and it is no debt
    EXPECT_EQ(describe(raw).memory_available_bytes, 60ULL << 30U);
}

TEST(Describe, Limits) {
    RawDevice raw = large();
    VkPhysicalDeviceLimits& limits = raw.properties.limits;
    for (std::uint32_t i = 0; i < 3; ++i) {
        limits.maxComputeWorkGroupCount[i] = i + 1;
        limits.maxComputeWorkGroupSize[i] = i + 10;
    }
    limits.maxComputeWorkGroupInvocations = 1024;
    limits.maxComputeSharedMemorySize = 49152;
    limits.maxStorageBufferRange = 0xFFFFFFFFU;
    limits.minStorageBufferOffsetAlignment = 16;
    limits.maxPerStageDescriptorStorageBuffers = 100;
    limits.maxPushConstantsSize = 256;
    raw.host_memory.minImportedHostPointerAlignment = 4096;
    raw.subgroup.subgroupSize = 32;
    const DeviceInfo info = describe(raw);
    EXPECT_EQ(
        info.limits,
        (DeviceLimits{{1, 2, 3}, {10, 11, 12}, 1024, 49152, 0xFFFFFFFFU, 16, 100, 256, 4096}));
    EXPECT_EQ(info.subgroup_size, 32U);
}

TEST(Describe, EachFeatureIsItsOwn) {
    const auto only = [](auto&& set) {
        RawDevice raw = large();
        set(raw);
        return describe(raw).features;
    };
    using F = DeviceFeatures;
    const auto expect = [](const F& found, bool F::* on) {
        F wanted;
        wanted.*on = true;
        EXPECT_EQ(found, wanted);
    };
    expect(only([](RawDevice& r) { r.features12.shaderFloat16 = 1; }), &F::float16);
    expect(only([](RawDevice& r) { r.features.shaderFloat64 = 1; }), &F::float64);
    expect(only([](RawDevice& r) { r.features12.shaderInt8 = 1; }), &F::int8);
    expect(only([](RawDevice& r) { r.features.shaderInt16 = 1; }), &F::int16);
    expect(only([](RawDevice& r) { r.features.shaderInt64 = 1; }), &F::int64);
    expect(only([](RawDevice& r) { r.features12.shaderBufferInt64Atomics = 1; }),
           &F::buffer_atomics_int64);
    expect(only([](RawDevice& r) { r.features12.shaderSharedInt64Atomics = 1; }),
           &F::shared_atomics_int64);
    expect(only([](RawDevice& r) { r.features12.vulkanMemoryModel = 1; }), &F::memory_model);
    expect(only([](RawDevice& r) { r.features12.vulkanMemoryModelDeviceScope = 1; }),
           &F::memory_model_device_scope);
    expect(only([](RawDevice& r) { r.features.robustBufferAccess = 1; }), &F::robust_buffer_access);
    expect(only([](RawDevice& r) { r.robustness2.robustBufferAccess2 = 1; }),
           &F::robust_buffer_access2);
    expect(only([](RawDevice& r) { r.pipeline_robustness.pipelineRobustness = 1; }),
           &F::pipeline_robustness);
    expect(only([](RawDevice& r) { r.features12.timelineSemaphore = 1; }), &F::timeline_semaphore);
    expect(only([](RawDevice& r) { r.features12.bufferDeviceAddress = 1; }),
           &F::buffer_device_address);
    expect(only([](RawDevice& r) { r.extensions = {VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME}; }),
           &F::external_memory_host);
}

TEST(Describe, WhyADeviceCannotBeUsed) {
    RawDevice old = large();
    old.properties.apiVersion = VK_MAKE_API_VERSION(0, 1, 1, 130);
    EXPECT_EQ(describe(old).why_not, "it has Vulkan 1.1.130; 1.2 is needed");
    RawDevice drawing = large();
    drawing.queues = {{VK_QUEUE_GRAPHICS_BIT, 1, 64, {}}};
    EXPECT_EQ(describe(drawing).why_not, "none of its queues computes");
    EXPECT_FALSE(describe(drawing).usable());
}

TEST(Describe, TypesOfDevices) {
    const auto type = [](VkPhysicalDeviceType vulkan) {
        RawDevice raw = large();
        raw.properties.deviceType = vulkan;
        return describe(raw).type;
    };
    EXPECT_EQ(type(VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU), DeviceType::integrated);
    EXPECT_EQ(type(VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU), DeviceType::virtual_gpu);
    EXPECT_EQ(type(VK_PHYSICAL_DEVICE_TYPE_CPU), DeviceType::cpu);
    EXPECT_EQ(type(VK_PHYSICAL_DEVICE_TYPE_OTHER), DeviceType::other);
    EXPECT_EQ(type(static_cast<VkPhysicalDeviceType>(99)), DeviceType::other);
}

TEST(Describe, ANameWithoutAnEndEndsWithItsArray) {
    RawDevice raw = large();
    std::memset(static_cast<char*>(raw.properties.deviceName), 'x',
                sizeof raw.properties.deviceName);
    EXPECT_EQ(describe(raw).name.size(), sizeof raw.properties.deviceName);
}

TEST(Describe, MoreHeapsThanVulkanHasAreNotRead) {
    RawDevice raw = large();
    raw.memory.memoryHeapCount = 1'000'000;
    EXPECT_EQ(describe(raw).memory_bytes, 81ULL << 30U);
}

TEST(Describe, AKnownFaultIsNamed) {
    RawDevice raw = large();
    raw.driver.driverID = VK_DRIVER_ID_MESA_LLVMPIPE;
    EXPECT_THAT(describe(raw).faults, ElementsAre(HasSubstr("65,535 rounds")));
    EXPECT_TRUE(describe(raw).usable());
}

TEST(Describe, Vendors) {
    EXPECT_EQ(vendor_name(0x1002), "AMD");
    EXPECT_EQ(vendor_name(0x10005), "Mesa");
    EXPECT_EQ(vendor_name(0xFA4E), "0xfa4e");
    EXPECT_EQ(vendor_name(0x12), "0x0012");
    EXPECT_EQ(vendor_name(0x00012345), "0x00012345");
}

TEST(Describe, VersionsOfDrivers) {
    EXPECT_EQ(driver_version_text(0x10DE, (470U << 22U) | (256U << 14U >> 1U)), "470.128");
    EXPECT_EQ(driver_version_text(0x1002, VK_MAKE_API_VERSION(0, 22, 3, 6)), "22.3.6");
}

TEST(Describe, Uuids) {
    std::array<std::uint8_t, VK_UUID_SIZE> bytes{};
    EXPECT_EQ(uuid_text(bytes), "");
    for (std::uint8_t i = 0; i < VK_UUID_SIZE; ++i) {
        bytes.at(i) = static_cast<std::uint8_t>(0xF0U + i);
    }
    EXPECT_EQ(uuid_text(bytes), "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
}

TEST_F(DescribeSwiftShader, ARealDriver) {
    const auto vulkan = Vulkan::open();
    ASSERT_TRUE(vulkan) << vulkan.error().sentence();
    const auto devices = (*vulkan)->devices();
    ASSERT_TRUE(devices);
    ASSERT_EQ(devices->size(), 1U);
    const DeviceInfo info = describe(read_device(**vulkan, devices->front()));
    EXPECT_THAT(info.name, HasSubstr("SwiftShader"));
    EXPECT_EQ(info.type, DeviceType::cpu);
    EXPECT_EQ(info.vendor, "Google");
    EXPECT_TRUE(info.usable()) << info.why_not;
    EXPECT_THAT(info.faults, IsEmpty());
    EXPECT_EQ(info.uuid.size(), 36U);
    EXPECT_FALSE(info.driver.empty());
    EXPECT_GE(info.vulkan, api_version_min);
    EXPECT_GT(info.memory_bytes, 0U);
    EXPECT_EQ(info.subgroup_size, 4U);
    EXPECT_GE(info.limits.workgroup_invocations_max, 128U);
    EXPECT_GE(info.limits.push_constant_bytes_max, 128U);
    EXPECT_GE(info.limits.host_memory_alignment, 1U);
    EXPECT_TRUE(info.features.memory_model);
    EXPECT_TRUE(info.features.robust_buffer_access);
    EXPECT_TRUE(info.features.external_memory_host);
    EXPECT_FALSE(info.features.float64);
    EXPECT_FALSE(info.features.robust_buffer_access2);
}

}  // namespace
}  // namespace repartir::gpu
