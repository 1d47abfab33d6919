// SPDX-License-Identifier: MIT
#pragma once
/// @file describe.hpp From a driver's own structures to a DeviceInfo.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exec/gpu/vulkan.hpp"
#include "repartir/gpu.hpp"

namespace repartir::gpu {

/// What a driver says of one device. What it does not know stays zero: drivers skip structures of
/// extensions that they do not have. `pNext` is of no use after read_device().
struct RawDevice {
    VkPhysicalDeviceProperties properties{};
    VkPhysicalDeviceIDProperties id{};
    VkPhysicalDeviceSubgroupProperties subgroup{};
    VkPhysicalDeviceDriverProperties driver{};
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host_memory{};
    VkPhysicalDeviceMaintenance3Properties sizes{};
    VkPhysicalDeviceMaintenance4Properties buffer_sizes{};
    VkPhysicalDeviceFeatures features{};
    VkPhysicalDeviceVulkan11Features features11{};
    VkPhysicalDeviceVulkan12Features features12{};
    VkPhysicalDeviceMaintenance4Features maintenance4{};
    VkPhysicalDeviceRobustness2FeaturesEXT robustness2{};
    VkPhysicalDevicePipelineRobustnessFeaturesEXT pipeline_robustness{};
    VkPhysicalDeviceMemoryProperties memory{};
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{};
    std::vector<VkQueueFamilyProperties> queues;
    std::vector<std::string> extensions;

    [[nodiscard]] bool has(const char* extension) const;
    [[nodiscard]] bool has_maintenance4() const;
};

/// Asks a device's driver for all of it.
[[nodiscard]] RawDevice read_device(const Vulkan& vulkan, VkPhysicalDevice device);

/// @return the same in our words. Pure.
[[nodiscard]] DeviceInfo describe(const RawDevice& raw);

/// @return the name of a PCI or Khronos vendor; "0x1234" where we know none.
[[nodiscard]] std::string vendor_name(std::uint32_t id);
/// @return a driver's version number as its vendor writes it.
[[nodiscard]] std::string driver_version_text(std::uint32_t vendor, std::uint32_t version);
/// @return 16 bytes as 8-4-4-4-12 hexadecimal digits; empty when all are zero.
[[nodiscard]] std::string uuid_text(std::span<const std::uint8_t, VK_UUID_SIZE> bytes);
/// @return what drivers of that id are known to get wrong.
[[nodiscard]] std::vector<std::string> known_faults(VkDriverId driver);

}  // namespace repartir::gpu
