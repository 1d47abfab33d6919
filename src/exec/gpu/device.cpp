// SPDX-License-Identifier: MIT
#include "exec/gpu/device.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace repartir::gpu {
namespace {

constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags written =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags cached = written | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

/// @return a queue family that computes; one that does not draw, if there is one: its submissions
/// are quicker (a microsecond on an H100).
std::uint32_t computing_family(const std::vector<VkQueueFamilyProperties>& families) {
    std::optional<std::uint32_t> drawing;
    for (std::uint32_t i = 0; i < families.size(); ++i) {
        const VkQueueFlags flags = families[i].queueFlags;
        if ((flags & VK_QUEUE_COMPUTE_BIT) != 0 && (flags & VK_QUEUE_GRAPHICS_BIT) == 0) {
            return i;
        }
        if ((flags & VK_QUEUE_COMPUTE_BIT) != 0 && !drawing) {
            drawing = i;
        }
    }
    return drawing.value_or(0);
}

/// What of a device's features kernels can make use of, in the form of a list for Vulkan.
struct Wanted {
    explicit Wanted(const RawDevice& raw) {
        core.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
        core.features.robustBufferAccess = raw.features.robustBufferAccess;
        core.features.shaderInt16 = raw.features.shaderInt16;
        core.features.shaderInt64 = raw.features.shaderInt64;
        core.features.shaderFloat64 = raw.features.shaderFloat64;
        chain(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, v11);
        v11.storageBuffer16BitAccess = raw.features11.storageBuffer16BitAccess;
        v11.uniformAndStorageBuffer16BitAccess = raw.features11.uniformAndStorageBuffer16BitAccess;
        chain(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, v12);
        v11.storagePushConstant16 = raw.features11.storagePushConstant16;
        v12.storagePushConstant8 = raw.features12.storagePushConstant8;
        v12.storageBuffer8BitAccess = raw.features12.storageBuffer8BitAccess;
        v12.uniformAndStorageBuffer8BitAccess = raw.features12.uniformAndStorageBuffer8BitAccess;
        v12.shaderBufferInt64Atomics = raw.features12.shaderBufferInt64Atomics;
        v12.shaderSharedInt64Atomics = raw.features12.shaderSharedInt64Atomics;
        v12.shaderFloat16 = raw.features12.shaderFloat16;
        v12.shaderInt8 = raw.features12.shaderInt8;
        v12.scalarBlockLayout = raw.features12.scalarBlockLayout;
        v12.uniformBufferStandardLayout = raw.features12.uniformBufferStandardLayout;
        v12.shaderSubgroupExtendedTypes = raw.features12.shaderSubgroupExtendedTypes;
        v12.subgroupBroadcastDynamicId = raw.features12.subgroupBroadcastDynamicId;
        v12.timelineSemaphore = VK_TRUE;
        v12.vulkanMemoryModel = raw.features12.vulkanMemoryModel;
        v12.vulkanMemoryModelDeviceScope = raw.features12.vulkanMemoryModelDeviceScope;
        if (raw.maintenance4.maintenance4 != VK_FALSE) {
            chain(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, maintenance4);
            maintenance4.maintenance4 = VK_TRUE;
            extend(raw, VK_KHR_MAINTENANCE_4_EXTENSION_NAME);
        }
        if (raw.robustness2.robustBufferAccess2 != VK_FALSE) {
            chain(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT, robustness2);
            robustness2.robustBufferAccess2 = VK_TRUE;
            extend(raw, VK_EXT_ROBUSTNESS_2_EXTENSION_NAME);
        }
        extend(raw, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
        extend(raw, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    }
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;
    ~Wanted() = default;

    template <class Next>
    void chain(VkStructureType type, Next& next) {
        next.sType = type;
        next.pNext = std::exchange(core.pNext, &next);
    }
    void extend(const RawDevice& raw, const char* extension) {
        if (raw.has(extension)) {
            extensions.push_back(extension);
        }
    }

    VkPhysicalDeviceFeatures2 core{};
    VkPhysicalDeviceVulkan11Features v11{};
    VkPhysicalDeviceVulkan12Features v12{};
    VkPhysicalDeviceMaintenance4Features maintenance4{};
    VkPhysicalDeviceRobustness2FeaturesEXT robustness2{};
    std::vector<const char*> extensions;
};

/// @return what kernels may use of a device that was opened with Wanted.
Features features_of(const RawDevice& raw) {
    const VkPhysicalDeviceFeatures& core = raw.features;
    const VkPhysicalDeviceVulkan11Features& v11 = raw.features11;
    const VkPhysicalDeviceVulkan12Features& v12 = raw.features12;
    const VkSubgroupFeatureFlags subgroups =
        (raw.subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0
            ? raw.subgroup.supportedOperations
            : 0;
    Features features;
    const auto add_if = [&](bool has, Feature feature) {
        if (has) {
            features.add(feature);
        }
    };
    add_if(v12.shaderFloat16 != VK_FALSE, Feature::float16);
    add_if(core.shaderFloat64 != VK_FALSE, Feature::float64);
    add_if(v12.shaderInt8 != VK_FALSE, Feature::int8);
    add_if(core.shaderInt16 != VK_FALSE, Feature::int16);
    add_if(core.shaderInt64 != VK_FALSE, Feature::int64);
    add_if(v12.shaderBufferInt64Atomics != VK_FALSE, Feature::buffer_atomics_int64);
    add_if(v12.shaderSharedInt64Atomics != VK_FALSE, Feature::shared_atomics_int64);
    add_if(v12.vulkanMemoryModel != VK_FALSE, Feature::memory_model);
    add_if(v12.vulkanMemoryModelDeviceScope != VK_FALSE, Feature::memory_model_device_scope);
    add_if(v12.storageBuffer8BitAccess != VK_FALSE, Feature::storage_8bit);
    add_if(v11.storageBuffer16BitAccess != VK_FALSE, Feature::storage_16bit);
    add_if(v12.uniformAndStorageBuffer8BitAccess != VK_FALSE, Feature::uniform_8bit);
    add_if(v11.uniformAndStorageBuffer16BitAccess != VK_FALSE, Feature::uniform_16bit);
    add_if(v12.storagePushConstant8 != VK_FALSE, Feature::push_constant_8bit);
    add_if(v11.storagePushConstant16 != VK_FALSE, Feature::push_constant_16bit);
    add_if((subgroups & VK_SUBGROUP_FEATURE_BASIC_BIT) != 0, Feature::subgroup_basic);
    add_if((subgroups & VK_SUBGROUP_FEATURE_VOTE_BIT) != 0, Feature::subgroup_vote);
    add_if((subgroups & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT) != 0, Feature::subgroup_arithmetic);
    add_if((subgroups & VK_SUBGROUP_FEATURE_BALLOT_BIT) != 0, Feature::subgroup_ballot);
    add_if((subgroups & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0, Feature::subgroup_shuffle);
    add_if((subgroups & VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT) != 0,
           Feature::subgroup_shuffle_relative);
    add_if((subgroups & VK_SUBGROUP_FEATURE_CLUSTERED_BIT) != 0, Feature::subgroup_clustered);
    add_if((subgroups & VK_SUBGROUP_FEATURE_QUAD_BIT) != 0, Feature::subgroup_quad);
    add_if(v12.scalarBlockLayout != VK_FALSE, Feature::scalar_layout);
    add_if(raw.maintenance4.maintenance4 != VK_FALSE, Feature::local_size_id);
    add_if(raw.properties.apiVersion >= VK_API_VERSION_1_3, Feature::vulkan_1_3);
    return features;
}

/// @return the first type among `allowed` that has all of `flags` and none of `without`.
std::optional<std::uint32_t> type_with(const VkPhysicalDeviceMemoryProperties& memory,
                                       std::uint32_t allowed, VkMemoryPropertyFlags flags,
                                       VkMemoryPropertyFlags without = 0) {
    for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
        const VkMemoryPropertyFlags has = memory.memoryTypes[i].propertyFlags;
        if ((allowed >> i & 1U) != 0 && (has & flags) == flags && (has & without) == 0) {
            return i;
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Device>> Device::open(const Vulkan& vulkan, VkPhysicalDevice physical) {
    const RawDevice raw = read_device(vulkan, physical);
    std::unique_ptr<Device> device(new Device(vulkan, physical));
    device->info_ = describe(raw);
    if (!device->info_.usable()) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          device->info_.name + " cannot be used: " + device->info_.why_not));
    }
    if (Result<void> started = device->start(raw); !started) {
        return fail(started.error());
    }
    return device;
}

Result<void> Device::start(const RawDevice& raw) {
    memory_ = raw.memory;
    features_ = features_of(raw);
    buffer_bytes_max_ = raw.sizes.maxMemoryAllocationSize;
    if (raw.buffer_sizes.maxBufferSize != 0) {
        buffer_bytes_max_ = std::min(buffer_bytes_max_, raw.buffer_sizes.maxBufferSize);
    }
    family_ = computing_family(raw.queues);
    const Wanted features(raw);
    constexpr float priority = 1.0F;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    wanted.pNext = &features.core;
    wanted.queueCreateInfoCount = 1;
    wanted.pQueueCreateInfos = &queue;
    wanted.enabledExtensionCount = static_cast<std::uint32_t>(features.extensions.size());
    wanted.ppEnabledExtensionNames = features.extensions.data();
    if (const VkResult made = vulkan_.call.create_device(physical_, &wanted, nullptr, &handle_);
        made != VK_SUCCESS) {
        handle_ = nullptr;
        return fail(driver_error("vkCreateDevice", made));
    }
    if (const char* missing = call.load(vulkan_.call.get_device_proc_addr, handle_)) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          info_.name + " cannot be used: its driver lacks " + missing));
    }
    call.get_device_queue(handle_, family_, 0, &queue_);
    return choose_memory();
}

Result<void> Device::choose_memory() {
    VkBufferCreateInfo probe{};
    probe.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    probe.size = 4096;
    probe.usage = buffer_usage;
    VkBuffer buffer = nullptr;
    if (const VkResult made = call.create_buffer(handle_, &probe, nullptr, &buffer);
        made != VK_SUCCESS) {
        return fail(driver_error("vkCreateBuffer", made));
    }
    VkMemoryRequirements needs{};
    call.get_buffer_memory_requirements(handle_, buffer, &needs);
    call.destroy_buffer(handle_, buffer, nullptr);
    const std::uint32_t types = needs.memoryTypeBits;
    const auto first = [&](std::optional<std::uint32_t> one, std::optional<std::uint32_t> other) {
        return one ? one : other;
    };
    const auto at = [&](Place place) -> auto& { return types_[static_cast<std::size_t>(place)]; };
    at(Place::device) = type_with(memory_, types, local);
    at(Place::near) = type_with(memory_, types, local | written);
    at(Place::upload) =
        first(type_with(memory_, types, written, local), type_with(memory_, types, written));
    at(Place::download) = first(type_with(memory_, types, cached), at(Place::upload));
    const std::optional<std::uint32_t> both = type_with(memory_, types, local | cached);
    unified_ = both && both == type_with(memory_, types, local);
    if (!at(Place::device) || !at(Place::upload)) {
        return fail(Error(Domain::gpu, Code::unsupported, Fault::user,
                          info_.name + " cannot be used: it has no memory for buffers"));
    }
    return {};
}

Device::~Device() {
    if (handle_ != nullptr) {
        if (call.device_wait_idle != nullptr) {
            call.device_wait_idle(handle_);
        }
        if (call.destroy_device != nullptr) {
            call.destroy_device(handle_, nullptr);
        }
    }
}

}  // namespace repartir::gpu
