// SPDX-License-Identifier: MIT
#include "exec/gpu/describe.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace repartir::gpu {
namespace {

/// Puts a structure behind the first one of a list that a driver is to fill.
template <class First, class Next>
void chain(First& first, VkStructureType type, Next& next) {
    next.sType = type;
    next.pNext = std::exchange(first.pNext, &next);
}

/// @return text of an array that a driver filled, ended by NUL or not.
template <std::size_t N>
std::string text_of(const char (&array)[N]) {
    return {static_cast<const char*>(array), ::strnlen(static_cast<const char*>(array), N)};
}

std::vector<std::string> extensions_of(const Vulkan& vulkan, VkPhysicalDevice device) {
    std::uint32_t count = 0;
    std::vector<VkExtensionProperties> found;
    if (vulkan.call.enumerate_device_extension_properties(device, nullptr, &count, nullptr) ==
        VK_SUCCESS) {
        found.resize(count);
        vulkan.call.enumerate_device_extension_properties(device, nullptr, &count, found.data());
        found.resize(count);
    }
    std::vector<std::string> names;
    for (const VkExtensionProperties& one : found) {
        names.push_back(text_of(one.extensionName));
    }
    return names;
}

void read_properties(const Vulkan& vulkan, VkPhysicalDevice device, RawDevice& raw) {
    VkPhysicalDeviceProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    chain(properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, raw.id);
    chain(properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, raw.subgroup);
    chain(properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, raw.driver);
    chain(properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, raw.sizes);
    if (raw.has_maintenance4()) {
        chain(properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES,
              raw.buffer_sizes);
    }
    if (raw.has(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)) {
        chain(properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
              raw.host_memory);
    }
    vulkan.call.get_physical_device_properties2(device, &properties);
}

void read_features(const Vulkan& vulkan, VkPhysicalDevice device, RawDevice& raw) {
    VkPhysicalDeviceFeatures2 features{};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    chain(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, raw.features11);
    chain(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, raw.features12);
    if (raw.has_maintenance4()) {
        chain(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, raw.maintenance4);
    }
    if (raw.has(VK_EXT_ROBUSTNESS_2_EXTENSION_NAME)) {
        chain(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT,
              raw.robustness2);
    }
    if (raw.has(VK_EXT_PIPELINE_ROBUSTNESS_EXTENSION_NAME)) {
        chain(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_ROBUSTNESS_FEATURES_EXT,
              raw.pipeline_robustness);
    }
    vulkan.call.get_physical_device_features2(device, &features);
    raw.features = features.features;
}

void read_memory(const Vulkan& vulkan, VkPhysicalDevice device, RawDevice& raw) {
    VkPhysicalDeviceMemoryProperties2 memory{};
    memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    if (raw.has(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)) {
        chain(memory, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT, raw.budget);
    }
    vulkan.call.get_physical_device_memory_properties2(device, &memory);
    raw.memory = memory.memoryProperties;
}

ApiVersion version_of(std::uint32_t packed) {
    return {VK_API_VERSION_MAJOR(packed), VK_API_VERSION_MINOR(packed),
            VK_API_VERSION_PATCH(packed)};
}

DeviceType type_of(VkPhysicalDeviceType type) {
    switch (type) {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
            return DeviceType::discrete;
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
            return DeviceType::integrated;
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
            return DeviceType::virtual_gpu;
        case VK_PHYSICAL_DEVICE_TYPE_CPU:
            return DeviceType::cpu;
        default:
            return DeviceType::other;
    }
}

std::vector<QueueFamily> families_of(const std::vector<VkQueueFamilyProperties>& queues) {
    std::vector<QueueFamily> families;
    for (const VkQueueFamilyProperties& queue : queues) {
        const bool compute = (queue.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0;
        const bool graphics = (queue.queueFlags & VK_QUEUE_GRAPHICS_BIT) != 0;
        // Vulkan lets every queue that computes or draws copy, also where its flag is left out.
        const bool transfer =
            compute || graphics || (queue.queueFlags & VK_QUEUE_TRANSFER_BIT) != 0;
        families.push_back({queue.queueCount, compute, transfer, graphics});
    }
    return families;
}

DeviceLimits limits_of(const RawDevice& raw) {
    const VkPhysicalDeviceLimits& given = raw.properties.limits;
    DeviceLimits limits;
    std::ranges::copy(given.maxComputeWorkGroupCount, limits.workgroup_count_max.begin());
    std::ranges::copy(given.maxComputeWorkGroupSize, limits.workgroup_size_max.begin());
    limits.workgroup_invocations_max = given.maxComputeWorkGroupInvocations;
    limits.shared_memory_bytes = given.maxComputeSharedMemorySize;
    limits.storage_buffer_bytes_max = given.maxStorageBufferRange;
    limits.storage_buffer_alignment = given.minStorageBufferOffsetAlignment;
    limits.storage_buffers_max = given.maxPerStageDescriptorStorageBuffers;
    limits.push_constant_bytes_max = given.maxPushConstantsSize;
    limits.host_memory_alignment = raw.host_memory.minImportedHostPointerAlignment;
    return limits;
}

DeviceFeatures features_of(const RawDevice& raw) {
    const VkPhysicalDeviceFeatures& core = raw.features;
    const VkPhysicalDeviceVulkan12Features& later = raw.features12;
    DeviceFeatures features;
    features.float16 = later.shaderFloat16 != VK_FALSE;
    features.float64 = core.shaderFloat64 != VK_FALSE;
    features.int8 = later.shaderInt8 != VK_FALSE;
    features.int16 = core.shaderInt16 != VK_FALSE;
    features.int64 = core.shaderInt64 != VK_FALSE;
    features.buffer_atomics_int64 = later.shaderBufferInt64Atomics != VK_FALSE;
    features.shared_atomics_int64 = later.shaderSharedInt64Atomics != VK_FALSE;
    features.memory_model = later.vulkanMemoryModel != VK_FALSE;
    features.memory_model_device_scope = later.vulkanMemoryModelDeviceScope != VK_FALSE;
    features.robust_buffer_access = core.robustBufferAccess != VK_FALSE;
    features.robust_buffer_access2 = raw.robustness2.robustBufferAccess2 != VK_FALSE;
    features.pipeline_robustness = raw.pipeline_robustness.pipelineRobustness != VK_FALSE;
    features.timeline_semaphore = later.timelineSemaphore != VK_FALSE;
    features.buffer_device_address = later.bufferDeviceAddress != VK_FALSE;
    features.external_memory_host = raw.has(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
    return features;
}

void put_memory(const RawDevice& raw, DeviceInfo& info) {
    std::uint64_t available = 0;
    const std::uint32_t heaps =
        std::min<std::uint32_t>(raw.memory.memoryHeapCount, VK_MAX_MEMORY_HEAPS);
    for (std::uint32_t i = 0; i < heaps; ++i) {
        if ((raw.memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0) {
            info.memory_bytes += raw.memory.memoryHeaps[i].size;
            const VkDeviceSize budget = raw.budget.heapBudget[i];
            available += budget - std::min(budget, raw.budget.heapUsage[i]);
        }
    }
    if (raw.has(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)) {
        info.memory_available_bytes = available;
    }
}

std::string reason_against(const DeviceInfo& info) {
    if (info.vulkan < api_version_min) {
        return "it has Vulkan " + to_string(info.vulkan) + "; " +
               std::to_string(api_version_min.major) + "." + std::to_string(api_version_min.minor) +
               " is needed";
    }
    const bool computes =
        std::ranges::any_of(info.queue_families, [](const QueueFamily& f) { return f.compute; });
    return computes ? "" : "none of its queues computes";
}

}  // namespace

bool RawDevice::has(const char* extension) const {
    return std::ranges::find(extensions, extension) != extensions.end();
}

bool RawDevice::has_maintenance4() const {
    return properties.apiVersion >= VK_API_VERSION_1_3 || has(VK_KHR_MAINTENANCE_4_EXTENSION_NAME);
}

RawDevice read_device(const Vulkan& vulkan, VkPhysicalDevice device) {
    RawDevice raw;
    vulkan.call.get_physical_device_properties(device, &raw.properties);
    raw.extensions = extensions_of(vulkan, device);
    read_properties(vulkan, device, raw);
    read_features(vulkan, device, raw);
    read_memory(vulkan, device, raw);
    std::uint32_t count = 0;
    vulkan.call.get_physical_device_queue_family_properties(device, &count, nullptr);
    raw.queues.resize(count);
    vulkan.call.get_physical_device_queue_family_properties(device, &count, raw.queues.data());
    raw.queues.resize(count);
    return raw;
}

DeviceInfo describe(const RawDevice& raw) {
    DeviceInfo info;
    info.name = text_of(raw.properties.deviceName);
    info.type = type_of(raw.properties.deviceType);
    info.faults = known_faults(raw.driver.driverID);
    info.uuid = uuid_text(raw.id.deviceUUID);
    info.vendor_id = raw.properties.vendorID;
    info.device_id = raw.properties.deviceID;
    info.vendor = vendor_name(info.vendor_id);
    info.driver = text_of(raw.driver.driverName);
    info.driver_version = text_of(raw.driver.driverInfo);
    if (info.driver_version.empty()) {
        info.driver_version = driver_version_text(info.vendor_id, raw.properties.driverVersion);
    }
    info.vulkan = version_of(raw.properties.apiVersion);
    put_memory(raw, info);
    info.subgroup_size = raw.subgroup.subgroupSize;
    info.limits = limits_of(raw);
    info.features = features_of(raw);
    info.queue_families = families_of(raw.queues);
    info.why_not = reason_against(info);
    return info;
}

std::string vendor_name(std::uint32_t id) {
    struct Vendor {
        std::uint32_t id;
        std::string_view name;
    };
    constexpr std::array vendors{
        Vendor{0x1002, "AMD"},    Vendor{0x1010, "Imagination"}, Vendor{0x10DE, "NVIDIA"},
        Vendor{0x13B5, "Arm"},    Vendor{0x1414, "Microsoft"},   Vendor{0x14E4, "Broadcom"},
        Vendor{0x1AE0, "Google"}, Vendor{0x1AF4, "Red Hat"},     Vendor{0x5143, "Qualcomm"},
        Vendor{0x8086, "Intel"},  Vendor{0x106B, "Apple"},       Vendor{0x144D, "Samsung"},
        Vendor{0x10005, "Mesa"},  Vendor{0x10004, "Codeplay"},   Vendor{0x10006, "PoCL"},
    };
    const auto* const found = std::ranges::find(vendors, id, &Vendor::id);
    if (found != vendors.end()) {
        return std::string(found->name);
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "0x";
    for (unsigned shift = id > 0xFFFF ? 28 : 12; shift < 32; shift -= 4) {
        text += digits[(id >> shift) & 0xFU];
    }
    return text;
}

std::string driver_version_text(std::uint32_t vendor, std::uint32_t version) {
    constexpr std::uint32_t nvidia = 0x10DE;
    if (vendor == nvidia) {  // 10, 8, 8 and 6 bits
        const std::uint32_t third = (version >> 6U) & 0xFFU;
        return std::to_string(version >> 22U) + "." + std::to_string((version >> 14U) & 0xFFU) +
               (third == 0 ? "" : "." + std::to_string(third));
    }
    return to_string(version_of(version));
}

std::string uuid_text(std::span<const std::uint8_t, VK_UUID_SIZE> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    if (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; })) {
        return {};
    }
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        text += digits[bytes[i] >> 4U];
        text += digits[bytes[i] & 0xFU];
    }
    return text;
}

std::vector<std::string> known_faults(VkDriverId driver) {
    if (driver == VK_DRIVER_ID_MESA_LLVMPIPE) {
        return {
            "it cuts every loop short after 65,535 rounds of an invocation and reports success,"
            " so that results are wrong (seen in Mesa 22.3)"};
    }
    return {};
}

}  // namespace repartir::gpu
