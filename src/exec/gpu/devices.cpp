// SPDX-License-Identifier: MIT
#include "exec/gpu/devices.hpp"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "exec/gpu/describe.hpp"
#include "exec/gpu/vulkan.hpp"

namespace repartir::gpu {

std::string to_string(const ApiVersion& version) {
    return std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
           std::to_string(version.patch);
}

std::string_view to_string(DeviceType type) noexcept {
    switch (type) {
        case DeviceType::discrete:
            return "discrete";
        case DeviceType::integrated:
            return "integrated";
        case DeviceType::virtual_gpu:
            return "virtual";
        case DeviceType::other:
            return "other";
        case DeviceType::cpu:
            return "cpu";
    }
    return "other";
}

Result<std::vector<DeviceInfo>> in_order(std::vector<DeviceInfo> all,
                                         const DiscoveryOptions& options) {
    if (all.empty()) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          "the Vulkan drivers here know of no device"));
    }
    const std::string first = all.front().name;
    if (!options.allow_cpu) {
        std::erase_if(all, [](const DeviceInfo& one) { return one.type == DeviceType::cpu; });
    }
    if (all.empty()) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          "every Vulkan device here is a CPU driver, " + first +
                              ", which has to be allowed: --gpu-allow-cpu, or"
                              " DiscoveryOptions::allow_cpu"));
    }
    std::ranges::sort(all, [](const DeviceInfo& a, const DeviceInfo& b) {
        return std::tie(a.type, b.memory_bytes, a.name, a.uuid) <
               std::tie(b.type, a.memory_bytes, b.name, b.uuid);
    });
    return all;
}

Result<std::vector<DeviceInfo>> devices_by(const std::string& loader,
                                           const DiscoveryOptions& options) {
    const Result<std::unique_ptr<Vulkan>> vulkan = Vulkan::open(loader);
    if (!vulkan) {
        return fail(vulkan.error());
    }
    const Result<std::vector<VkPhysicalDevice>> found = (*vulkan)->devices();
    if (!found) {
        return fail(found.error());
    }
    std::vector<DeviceInfo> all;
    for (VkPhysicalDevice device : *found) {
        all.push_back(describe(read_device(**vulkan, device)));
    }
    return in_order(std::move(all), options);
}

Result<std::vector<DeviceInfo>> devices(const DiscoveryOptions& options) {
    return devices_by(vulkan_loader, options);
}

}  // namespace repartir::gpu
