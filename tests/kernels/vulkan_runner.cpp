// SPDX-License-Identifier: MIT
#include "vulkan_runner.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <stdexcept>
#include <type_traits>

namespace repartir::gpu {
namespace {

void check(VkResult result, const char* what) {
    if (result != VK_SUCCESS) {
        throw std::runtime_error(std::string(what) + " gave " + std::to_string(result));
    }
}

template <class T>
T structure(VkStructureType type) {
    T value{};
    value.sType = type;
    return value;
}

}  // namespace

struct VulkanRunner::Functions {
    PFN_vkGetInstanceProcAddr look_up = nullptr;
    VkInstance instance = nullptr;

    /// @return the function of that name and type.
    template <class Function>
    Function get(const char* name) const {
        const auto function = reinterpret_cast<Function>(look_up(instance, name));
        if (function == nullptr) {
            throw std::runtime_error(std::string("there is no ") + name);
        }
        return function;
    }
};

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): the name is both a type's and a string
#define CALL(name) call_->get<PFN_##name>(#name)

VulkanRunner::VulkanRunner(const std::vector<const char*>& layers)
    : library_(::dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL)),
      call_(std::make_unique<Functions>()) {
    if (library_ == nullptr) {
        throw std::runtime_error("no Vulkan loader");
    }
    call_->look_up =
        reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(library_, "vkGetInstanceProcAddr"));
    auto application = structure<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
    application.apiVersion = VK_API_VERSION_1_2;
    auto info = structure<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    info.pApplicationInfo = &application;
    info.enabledLayerCount = static_cast<std::uint32_t>(layers.size());
    info.ppEnabledLayerNames = layers.data();
    check(CALL(vkCreateInstance)(&info, nullptr, &instance_), "vkCreateInstance");
    call_->instance = instance_;
    pick_device();
    make_device();
}

VulkanRunner::~VulkanRunner() {
    CALL(vkDestroyDevice)(device_, nullptr);
    CALL(vkDestroyInstance)(instance_, nullptr);
    ::dlclose(library_);
}

void VulkanRunner::pick_device() {
    std::uint32_t count = 1;
    CALL(vkEnumeratePhysicalDevices)(instance_, &count, &physical_);
    if (count == 0) {
        throw std::runtime_error("no Vulkan device");
    }
    auto subgroup = structure<VkPhysicalDeviceSubgroupProperties>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
    auto properties =
        structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
    properties.pNext = &subgroup;
    CALL(vkGetPhysicalDeviceProperties2)(physical_, &properties);
    device_name_ = properties.properties.deviceName;
    subgroup_size_ = subgroup.subgroupSize;
    constexpr std::uint32_t wanted = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT |
                                     VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                     VK_SUBGROUP_FEATURE_BALLOT_BIT |
                                     VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    has_.subgroups = (subgroup.supportedOperations & wanted) == wanted &&
                     (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    CALL(vkGetPhysicalDeviceMemoryProperties)(physical_, &memory_);
    std::vector<VkQueueFamilyProperties> families(16);
    auto family_count = static_cast<std::uint32_t>(families.size());
    CALL(vkGetPhysicalDeviceQueueFamilyProperties)(physical_, &family_count, families.data());
    while ((families.at(family_).queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) {
        ++family_;
    }
}

void VulkanRunner::make_device() {
    auto v12 = structure<VkPhysicalDeviceVulkan12Features>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
    auto features =
        structure<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    features.pNext = &v12;
    CALL(vkGetPhysicalDeviceFeatures2)(physical_, &features);
    has_.int64 = features.features.shaderInt64 != 0;
    has_.float64 = features.features.shaderFloat64 != 0;
    has_.buffer_atomics_int64 = v12.shaderBufferInt64Atomics != 0;
    has_.shared_atomics_int64 = v12.shaderSharedInt64Atomics != 0;

    auto on12 = structure<VkPhysicalDeviceVulkan12Features>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
    on12.shaderBufferInt64Atomics = v12.shaderBufferInt64Atomics;
    on12.shaderSharedInt64Atomics = v12.shaderSharedInt64Atomics;
    auto on = structure<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    on.pNext = &on12;
    on.features.shaderInt64 = features.features.shaderInt64;
    on.features.shaderFloat64 = features.features.shaderFloat64;
    const float priority = 1;
    auto queue = structure<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
    queue.queueFamilyIndex = family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    auto info = structure<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    info.pNext = &on;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    check(CALL(vkCreateDevice)(physical_, &info, nullptr, &device_), "vkCreateDevice");
    CALL(vkGetDeviceQueue)(device_, family_, 0, &queue_);
}

VulkanRunner::Buffer VulkanRunner::make_buffer(std::size_t bytes) {
    Buffer made;
    auto info = structure<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    info.size = std::max<std::size_t>(bytes, 4);
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    check(CALL(vkCreateBuffer)(device_, &info, nullptr, &made.buffer), "vkCreateBuffer");
    VkMemoryRequirements needs{};
    CALL(vkGetBufferMemoryRequirements)(device_, made.buffer, &needs);
    constexpr std::uint32_t wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    auto allocation = structure<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
    allocation.allocationSize = needs.size;
    while ((needs.memoryTypeBits >> allocation.memoryTypeIndex & 1U) == 0 ||
           (memory_.memoryTypes[allocation.memoryTypeIndex].propertyFlags & wanted) != wanted) {
        ++allocation.memoryTypeIndex;
    }
    check(CALL(vkAllocateMemory)(device_, &allocation, nullptr, &made.memory), "vkAllocateMemory");
    check(CALL(vkBindBufferMemory)(device_, made.buffer, made.memory, 0), "vkBindBufferMemory");
    check(CALL(vkMapMemory)(device_, made.memory, 0, VK_WHOLE_SIZE, 0, &made.mapped),
          "vkMapMemory");
    return made;
}

VkPipeline VulkanRunner::make_pipeline(const Kernel& kernel, VkPipelineLayout layout,
                                       std::span<const ConstantSetting> constants,
                                       VkShaderModule module) {
    std::vector<VkSpecializationMapEntry> entries;
    std::vector<std::uint64_t> values;
    const auto& known = kernel.interface().constants;
    for (const ConstantSetting& value : constants) {
        const auto at = std::ranges::find(known, value.name, &KernelConstant::name);
        entries.push_back({static_cast<std::uint32_t>(at - known.begin()),
                           static_cast<std::uint32_t>(8 * values.size()), bytes_of(value.type)});
        values.push_back(value.bits);
    }
    const VkSpecializationInfo special{static_cast<std::uint32_t>(entries.size()), entries.data(),
                                       8 * values.size(), values.data()};
    auto info =
        structure<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
    info.stage = structure<VkPipelineShaderStageCreateInfo>(
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &special;
    info.layout = layout;
    VkPipeline pipeline = {};
    check(CALL(vkCreateComputePipelines)(device_, {}, 1, &info, nullptr, &pipeline),
          "vkCreateComputePipelines");
    return pipeline;
}

struct VulkanRunner::Dispatch {
    VkDescriptorSetLayout set_layout = {};
    VkPipelineLayout layout = {};
    VkShaderModule module = {};
    VkPipeline pipeline = {};
    VkDescriptorPool pool = {};
    VkDescriptorSet set = {};
    VkCommandPool commands = {};
    std::vector<Buffer> buffers;
};

void VulkanRunner::make_layouts(Dispatch& made, const Kernel& kernel, std::uint32_t count,
                                std::uint32_t pushed, std::span<const ConstantSetting> constants) {
    std::vector<VkDescriptorSetLayoutBinding> bindings;
    for (std::uint32_t i = 0; i < count; ++i) {
        bindings.push_back(
            {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
    }
    auto set_info = structure<VkDescriptorSetLayoutCreateInfo>(
        VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    set_info.bindingCount = count;
    set_info.pBindings = bindings.data();
    check(CALL(vkCreateDescriptorSetLayout)(device_, &set_info, nullptr, &made.set_layout),
          "vkCreateDescriptorSetLayout");
    const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, pushed};
    auto layout_info =
        structure<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
    layout_info.setLayoutCount = 1;
    layout_info.pSetLayouts = &made.set_layout;
    layout_info.pushConstantRangeCount = pushed == 0 ? 0 : 1;
    layout_info.pPushConstantRanges = &range;
    check(CALL(vkCreatePipelineLayout)(device_, &layout_info, nullptr, &made.layout),
          "vkCreatePipelineLayout");
    auto module_info =
        structure<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
    module_info.codeSize = kernel.spirv().size_bytes();
    module_info.pCode = kernel.spirv().data();
    check(CALL(vkCreateShaderModule)(device_, &module_info, nullptr, &made.module),
          "vkCreateShaderModule");
    made.pipeline = make_pipeline(kernel, made.layout, constants, made.module);
}

void VulkanRunner::bind(Dispatch& made, std::span<const std::span<std::byte>> buffers) {
    const auto count = static_cast<std::uint32_t>(buffers.size());
    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, std::max(count, 1U)};
    auto pool_info =
        structure<VkDescriptorPoolCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    pool_info.maxSets = 1;
    pool_info.poolSizeCount = 1;
    pool_info.pPoolSizes = &size;
    check(CALL(vkCreateDescriptorPool)(device_, &pool_info, nullptr, &made.pool),
          "vkCreateDescriptorPool");
    auto allocate =
        structure<VkDescriptorSetAllocateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    allocate.descriptorPool = made.pool;
    allocate.descriptorSetCount = 1;
    allocate.pSetLayouts = &made.set_layout;
    check(CALL(vkAllocateDescriptorSets)(device_, &allocate, &made.set),
          "vkAllocateDescriptorSets");
    for (std::uint32_t i = 0; i < count; ++i) {
        made.buffers.push_back(make_buffer(buffers[i].size()));
        std::ranges::copy(buffers[i], static_cast<std::byte*>(made.buffers[i].mapped));
        const VkDescriptorBufferInfo info{made.buffers[i].buffer, 0,
                                          std::max<std::size_t>(buffers[i].size(), 1)};
        auto write = structure<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
        write.dstSet = made.set;
        write.dstBinding = i;
        write.descriptorCount = 1;
        write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        write.pBufferInfo = &info;
        CALL(vkUpdateDescriptorSets)(device_, 1, &write, 0, nullptr);
    }
}

void VulkanRunner::submit(Dispatch& made, std::array<std::uint32_t, 3> workgroups,
                          std::span<const std::byte> push_constants) {
    auto commands_info =
        structure<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
    commands_info.queueFamilyIndex = family_;
    check(CALL(vkCreateCommandPool)(device_, &commands_info, nullptr, &made.commands),
          "vkCreateCommandPool");
    auto buffer_info =
        structure<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    buffer_info.commandPool = made.commands;
    buffer_info.commandBufferCount = 1;
    VkCommandBuffer command = nullptr;
    check(CALL(vkAllocateCommandBuffers)(device_, &buffer_info, &command),
          "vkAllocateCommandBuffers");
    auto begin = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    check(CALL(vkBeginCommandBuffer)(command, &begin), "vkBeginCommandBuffer");
    const auto bind_pipeline = CALL(vkCmdBindPipeline);
    bind_pipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, made.pipeline);
    const auto bind_sets = CALL(vkCmdBindDescriptorSets);
    bind_sets(command, VK_PIPELINE_BIND_POINT_COMPUTE, made.layout, 0, 1, &made.set, 0, nullptr);
    if (!push_constants.empty()) {
        const auto push = CALL(vkCmdPushConstants);
        push(command, made.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
             static_cast<std::uint32_t>(push_constants.size()), push_constants.data());
    }
    CALL(vkCmdDispatch)(command, workgroups[0], workgroups[1], workgroups[2]);
    auto barrier = structure<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    const auto wait = CALL(vkCmdPipelineBarrier);
    wait(command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier,
         0, nullptr, 0, nullptr);
    check(CALL(vkEndCommandBuffer)(command), "vkEndCommandBuffer");
    auto info = structure<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    info.commandBufferCount = 1;
    info.pCommandBuffers = &command;
    check(CALL(vkQueueSubmit)(queue_, 1, &info, {}), "vkQueueSubmit");
    check(CALL(vkQueueWaitIdle)(queue_), "vkQueueWaitIdle");
}

void VulkanRunner::run(const Kernel& kernel, std::array<std::uint32_t, 3> workgroups,
                       std::span<const std::span<std::byte>> buffers,
                       std::span<const std::byte> push_constants,
                       std::span<const ConstantSetting> constants) {
    if (kernel.error() != nullptr) {
        throw std::runtime_error(kernel.error()->sentence());
    }
    Dispatch made;
    make_layouts(made, kernel, static_cast<std::uint32_t>(buffers.size()),
                 static_cast<std::uint32_t>(push_constants.size()), constants);
    bind(made, buffers);
    submit(made, workgroups, push_constants);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        std::copy_n(static_cast<const std::byte*>(made.buffers[i].mapped), buffers[i].size(),
                    buffers[i].data());
        CALL(vkDestroyBuffer)(device_, made.buffers[i].buffer, nullptr);
        CALL(vkFreeMemory)(device_, made.buffers[i].memory, nullptr);
    }
    CALL(vkDestroyCommandPool)(device_, made.commands, nullptr);
    CALL(vkDestroyDescriptorPool)(device_, made.pool, nullptr);
    CALL(vkDestroyPipeline)(device_, made.pipeline, nullptr);
    CALL(vkDestroyShaderModule)(device_, made.module, nullptr);
    CALL(vkDestroyPipelineLayout)(device_, made.layout, nullptr);
    CALL(vkDestroyDescriptorSetLayout)(device_, made.set_layout, nullptr);
}

}  // namespace repartir::gpu
