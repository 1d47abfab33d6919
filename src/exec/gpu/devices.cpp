// SPDX-License-Identifier: MIT
#include "exec/gpu/devices.hpp"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "exec/gpu/describe.hpp"
#include "exec/gpu/vulkan.hpp"

namespace repartir::gpu {

namespace {

struct Found {
    VkPhysicalDevice device = nullptr;
    DeviceInfo info;
};

Result<std::vector<Found>> find(const Vulkan& vulkan) {
    const Result<std::vector<VkPhysicalDevice>> devices = vulkan.devices();
    if (!devices) {
        return fail(devices.error());
    }
    std::vector<Found> found;
    for (VkPhysicalDevice device : *devices) {
        found.push_back({device, describe(read_device(vulkan, device))});
    }
    return found;
}

}  // namespace

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
    const Result<std::vector<Found>> found = find(**vulkan);
    if (!found) {
        return fail(found.error());
    }
    std::vector<DeviceInfo> all;
    for (const Found& one : *found) {
        all.push_back(one.info);
    }
    return in_order(std::move(all), options);
}

Result<VkPhysicalDevice> choose(const Vulkan& vulkan, const DiscoveryOptions& options,
                                const std::string& word) {
    Result<std::vector<Found>> found = find(vulkan);
    if (!found) {
        return fail(found.error());
    }
    std::vector<DeviceInfo> infos;
    for (const Found& one : *found) {
        infos.push_back(one.info);
    }
    const Result<std::vector<DeviceInfo>> sorted = in_order(std::move(infos), options);
    if (!sorted) {
        return fail(sorted.error());
    }
    const Result<std::size_t> chosen = select(*sorted, word);
    if (!chosen) {
        return fail(chosen.error());
    }
    return std::ranges::find((*found), (*sorted)[*chosen], &Found::info)->device;
}

Result<std::vector<DeviceInfo>> devices(const DiscoveryOptions& options) {
    return devices_by(vulkan_loader, options);
}

}  // namespace repartir::gpu
