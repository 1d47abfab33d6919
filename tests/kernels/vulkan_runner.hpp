// SPDX-License-Identifier: MIT
#pragma once
/// @file vulkan_runner.hpp The least that runs a compute kernel on a Vulkan driver: for tests only.
#include <vulkan/vulkan_core.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "repartir/kernel.hpp"

namespace repartir::gpu {

/// One device of the loader's first driver. Whatever goes wrong ends the test with an exception.
class VulkanRunner {
  public:
    /// @param layers such as the validation layers
    explicit VulkanRunner(const std::vector<const char*>& layers = {});
    ~VulkanRunner();
    VulkanRunner(const VulkanRunner&) = delete;
    VulkanRunner& operator=(const VulkanRunner&) = delete;

    /// Runs the kernel; buffers come back as it left them. One without bytes is bound
    /// with one byte, which holds no element: Vulkan knows no empty buffers.
    void run(const Kernel& kernel, std::array<std::uint32_t, 3> workgroups,
             std::span<const std::span<std::byte>> buffers,
             std::span<const std::byte> push_constants = {},
             std::span<const ConstantSetting> constants = {});
    [[nodiscard]] const std::string& device() const noexcept { return device_name_; }
    [[nodiscard]] std::uint32_t subgroup_size() const noexcept { return subgroup_size_; }
    /// What the device has of what kernels may need.
    [[nodiscard]] const DeviceNeeds& has() const noexcept { return has_; }

  private:
    struct Functions;
    struct Dispatch;
    struct Buffer {
        VkBuffer buffer = {};
        VkDeviceMemory memory = {};
        void* mapped = nullptr;
    };
    void pick_device();
    void make_device();
    Buffer make_buffer(std::size_t bytes);
    VkPipeline make_pipeline(const Kernel& kernel, VkPipelineLayout layout,
                             std::span<const ConstantSetting> constants, VkShaderModule module);
    void make_layouts(Dispatch& made, const Kernel& kernel, std::uint32_t count,
                      std::uint32_t pushed, std::span<const ConstantSetting> constants);
    void bind(Dispatch& made, std::span<const std::span<std::byte>> buffers);
    void submit(Dispatch& made, std::array<std::uint32_t, 3> workgroups,
                std::span<const std::byte> push_constants);

    void* library_ = nullptr;
    std::unique_ptr<Functions> call_;
    VkInstance instance_ = nullptr;
    VkPhysicalDevice physical_ = nullptr;
    VkDevice device_ = nullptr;
    VkQueue queue_ = nullptr;
    std::uint32_t family_ = 0;
    VkPhysicalDeviceMemoryProperties memory_{};
    std::string device_name_;
    std::uint32_t subgroup_size_ = 0;
    DeviceNeeds has_;
};

}  // namespace repartir::gpu
