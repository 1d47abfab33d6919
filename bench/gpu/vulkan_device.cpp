// SPDX-License-Identifier: MIT
#include "bench/gpu/vulkan_device.hpp"

#include <array>

#include "bench/gpu/problem.hpp"

namespace bench::gpu {
namespace {

constexpr VkMemoryPropertyFlags on_device = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags visible =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

/// A structure of Vulkan's with zeros but for its type.
template <class T>
[[nodiscard]] T blank(VkStructureType type) {
    T made{};
    made.sType = type;
    return made;
}

}  // namespace

void check(VkResult result, const char* call) {
    if (result != VK_SUCCESS) {
        give_up(std::string(call) + " gave " + std::to_string(result));
    }
}

Device::Device() {
    auto application = blank<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
    application.apiVersion = VK_API_VERSION_1_2;
    auto info = blank<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    info.pApplicationInfo = &application;
    if (vkCreateInstance(&info, nullptr, &instance_) != VK_SUCCESS) {
        give_up("there is no Vulkan driver");
    }
    choose();
    open();
    auto fence = blank<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    check(vkCreateFence(device_, &fence, nullptr, &fence_), "vkCreateFence");
}

void Device::choose() {
    std::uint32_t count = 0;
    vkEnumeratePhysicalDevices(instance_, &count, nullptr);
    std::vector<VkPhysicalDevice> found(count);
    vkEnumeratePhysicalDevices(instance_, &count, found.data());
    for (VkPhysicalDevice each : found) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(each, &properties);
        const bool discrete = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
        if (physical_ == VK_NULL_HANDLE || discrete) {
            physical_ = each;
            name_ = properties.deviceName;
            on_cpu_ = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
        }
        if (discrete) {
            break;
        }
    }
    if (physical_ == VK_NULL_HANDLE) {
        give_up("there is no Vulkan device");
    }
    vkGetPhysicalDeviceMemoryProperties(physical_, &memory_);
}

void Device::open() {
    std::uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical_, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical_, &count, families.data());
    for (std::uint32_t i = 0; i < count; ++i) {
        if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0) {
            family_ = i;
            if ((families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) == 0) {
                break;
            }
        }
    }
    const float priority = 1;
    auto queue = blank<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
    queue.queueFamilyIndex = family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    auto info = blank<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    check(vkCreateDevice(physical_, &info, nullptr, &device_), "vkCreateDevice");
    vkGetDeviceQueue(device_, family_, 0, &queue_);
}

std::uint32_t Device::memory_type(std::uint32_t allowed, Place place) const {
    struct Wish {
        VkMemoryPropertyFlags with;
        VkMemoryPropertyFlags without;
    };
    // The best first. Where memory is one, all are the same.
    const std::array<std::array<Wish, 3>, 3> wishes{{
        {{{on_device, visible}, {on_device, 0}, {0, 0}}},
        {{{on_device | visible, 0}, {on_device | visible, 0}, {on_device | visible, 0}}},
        {{{visible | cached, on_device}, {visible | cached, 0}, {visible, 0}}},
    }};
    for (const Wish& wish : wishes[static_cast<std::size_t>(place)]) {
        for (std::uint32_t type = 0; type < memory_.memoryTypeCount; ++type) {
            const VkMemoryPropertyFlags flags = memory_.memoryTypes[type].propertyFlags;
            if ((allowed >> type & 1U) != 0 && (flags & wish.with) == wish.with &&
                (flags & wish.without) == 0) {
                return type;
            }
        }
    }
    return memory_.memoryTypeCount;
}

Buffer Device::buffer(VkDeviceSize bytes, Place place) const {
    Buffer made;
    made.bytes = bytes;
    auto info = blank<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    info.size = bytes;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    check(vkCreateBuffer(device_, &info, nullptr, &made.handle), "vkCreateBuffer");
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(device_, made.handle, &needs);
    const std::uint32_t type = memory_type(needs.memoryTypeBits, place);
    if (type == memory_.memoryTypeCount) {
        vkDestroyBuffer(device_, made.handle, nullptr);
        return {};
    }
    auto memory = blank<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
    memory.allocationSize = needs.size;
    memory.memoryTypeIndex = type;
    check(vkAllocateMemory(device_, &memory, nullptr, &made.memory), "vkAllocateMemory");
    check(vkBindBufferMemory(device_, made.handle, made.memory, 0), "vkBindBufferMemory");
    if (place != Place::device) {
        check(vkMapMemory(device_, made.memory, 0, VK_WHOLE_SIZE, 0, &made.mapped), "vkMapMemory");
    }
    return made;
}

Pipeline Device::pipeline(std::span<const std::uint32_t> words, std::uint32_t bindings,
                          std::uint32_t push_bytes) const {
    Pipeline made;
    std::vector<VkDescriptorSetLayoutBinding> each(bindings);
    for (std::uint32_t i = 0; i < bindings; ++i) {
        each[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
    }
    auto set =
        blank<VkDescriptorSetLayoutCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    set.bindingCount = bindings;
    set.pBindings = each.data();
    check(vkCreateDescriptorSetLayout(device_, &set, nullptr, &made.set_layout),
          "vkCreateDescriptorSetLayout");
    const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes};
    auto layout = blank<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &made.set_layout;
    layout.pushConstantRangeCount = push_bytes != 0 ? 1 : 0;
    layout.pPushConstantRanges = &range;
    check(vkCreatePipelineLayout(device_, &layout, nullptr, &made.layout),
          "vkCreatePipelineLayout");
    auto module = blank<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
    module.codeSize = words.size_bytes();
    module.pCode = words.data();
    check(vkCreateShaderModule(device_, &module, nullptr, &made.module), "vkCreateShaderModule");
    auto info = blank<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = made.module;
    info.stage.pName = "main";
    info.layout = made.layout;
    check(vkCreateComputePipelines(device_, VK_NULL_HANDLE, 1, &info, nullptr, &made.handle),
          "vkCreateComputePipelines");
    return made;
}

Bound Device::bind(const Pipeline& pipeline, std::initializer_list<const Buffer*> buffers) const {
    Bound made;
    if (buffers.size() == 0) {
        return made;
    }
    const auto count = static_cast<std::uint32_t>(buffers.size());
    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, count};
    auto pool = blank<VkDescriptorPoolCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    pool.maxSets = 1;
    pool.poolSizeCount = 1;
    pool.pPoolSizes = &size;
    check(vkCreateDescriptorPool(device_, &pool, nullptr, &made.pool), "vkCreateDescriptorPool");
    auto set = blank<VkDescriptorSetAllocateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    set.descriptorPool = made.pool;
    set.descriptorSetCount = 1;
    set.pSetLayouts = &pipeline.set_layout;
    check(vkAllocateDescriptorSets(device_, &set, &made.set), "vkAllocateDescriptorSets");
    std::uint32_t binding = 0;
    for (const Buffer* buffer : buffers) {
        const VkDescriptorBufferInfo info{buffer->handle, 0, VK_WHOLE_SIZE};
        auto write = blank<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
        write.dstSet = made.set;
        write.dstBinding = binding++;
        write.descriptorCount = 1;
        write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        write.pBufferInfo = &info;
        vkUpdateDescriptorSets(device_, 1, &write, 0, nullptr);
    }
    return made;
}

Commands Device::begin(bool again) const {
    Commands made;
    auto pool = blank<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
    pool.queueFamilyIndex = family_;
    check(vkCreateCommandPool(device_, &pool, nullptr, &made.pool), "vkCreateCommandPool");
    auto list = blank<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    list.commandPool = made.pool;
    list.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    list.commandBufferCount = 1;
    check(vkAllocateCommandBuffers(device_, &list, &made.list), "vkAllocateCommandBuffers");
    auto info = blank<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    info.flags = again ? VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT : 0;
    check(vkBeginCommandBuffer(made.list, &info), "vkBeginCommandBuffer");
    return made;
}

void Device::free(const Buffer& buffer) const {
    vkDestroyBuffer(device_, buffer.handle, nullptr);
    vkFreeMemory(device_, buffer.memory, nullptr);
}

void Device::free(const Pipeline& pipeline) const {
    vkDestroyPipeline(device_, pipeline.handle, nullptr);
    vkDestroyShaderModule(device_, pipeline.module, nullptr);
    vkDestroyPipelineLayout(device_, pipeline.layout, nullptr);
    vkDestroyDescriptorSetLayout(device_, pipeline.set_layout, nullptr);
}

void Device::free(const Bound& bound) const {
    vkDestroyDescriptorPool(device_, bound.pool, nullptr);
}

void Device::free(const Commands& commands) const {
    vkDestroyCommandPool(device_, commands.pool, nullptr);
}

void Device::submit(const Commands& commands, bool last) {
    auto info = blank<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    info.commandBufferCount = 1;
    info.pCommandBuffers = &commands.list;
    check(vkQueueSubmit(queue_, 1, &info, last ? fence_ : VK_NULL_HANDLE), "vkQueueSubmit");
}

void Device::wait() const {
    VkResult result = VK_NOT_READY;
    while (result == VK_NOT_READY) {
        result = vkGetFenceStatus(device_, fence_);
    }
    check(result, "vkGetFenceStatus");
    check(vkResetFences(device_, 1, &fence_), "vkResetFences");
}

void end(const Commands& commands) {
    check(vkEndCommandBuffer(commands.list), "vkEndCommandBuffer");
}

void record_barrier(VkCommandBuffer list) {
    auto all = blank<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
    all.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    all.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_SHADER_READ_BIT |
                        VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT;
    const VkPipelineStageFlags work =
        VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    vkCmdPipelineBarrier(list, work, work | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &all, 0, nullptr, 0,
                         nullptr);
}

void record_copy(VkCommandBuffer list, const Buffer& from, const Buffer& to) {
    const VkBufferCopy region{0, 0, from.bytes};
    vkCmdCopyBuffer(list, from.handle, to.handle, 1, &region);
}

void record_dispatch(VkCommandBuffer list, const Pipeline& pipeline, const Bound& bound,
                     std::uint32_t x, std::uint32_t y) {
    vkCmdBindPipeline(list, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle);
    if (bound.set != VK_NULL_HANDLE) {
        vkCmdBindDescriptorSets(list, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1,
                                &bound.set, 0, nullptr);
    }
    vkCmdDispatch(list, x, y, 1);
}

}  // namespace bench::gpu
