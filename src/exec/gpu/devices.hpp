// SPDX-License-Identifier: MIT
#pragma once
/// @file devices.hpp The parts of discovery that tests look at one by one.
#include <string>
#include <vector>

#include "exec/gpu/vulkan.hpp"
#include "repartir/gpu.hpp"

namespace repartir::gpu {

/// As devices(), with this loader.
[[nodiscard]] Result<std::vector<DeviceInfo>> devices_by(const std::string& loader,
                                                         const DiscoveryOptions& options);

/// @return those of all devices that were asked for, in the order of devices(). Pure.
/// Errors: unsupported: there is none
[[nodiscard]] Result<std::vector<DeviceInfo>> in_order(std::vector<DeviceInfo> all,
                                                       const DiscoveryOptions& options);

/// @return the device that `word` means, see select().
/// Errors as of devices() and select().
[[nodiscard]] Result<VkPhysicalDevice> choose(const Vulkan& vulkan, const DiscoveryOptions& options,
                                              const std::string& word);

}  // namespace repartir::gpu
