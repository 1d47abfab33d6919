// SPDX-License-Identifier: MIT
#pragma once
/// @file vulkan_device.hpp Vulkan as one would write it by hand for one program: no layers between.
#include <vulkan/vulkan.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace bench::gpu {

/// A buffer with memory of its own; mapped where the host can.
struct Buffer {
    VkBuffer handle = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    void* mapped = nullptr;
    VkDeviceSize bytes = 0;

    /// @return what of it the host sees, as numbers.
    [[nodiscard]] std::span<float> numbers() const {
        return {static_cast<float*>(mapped), bytes / sizeof(float)};
    }
};

/// Where a buffer lies.
enum class Place : std::uint8_t {
    device,  ///< in the device's memory
    window,  ///< there, and the host can write it
    host,    ///< in the host's memory, cached, and the device can reach it
};

struct Pipeline {
    VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
    VkPipelineLayout layout = VK_NULL_HANDLE;
    VkShaderModule module = VK_NULL_HANDLE;
    VkPipeline handle = VK_NULL_HANDLE;
};

/// Buffers that are bound together.
struct Bound {
    VkDescriptorPool pool = VK_NULL_HANDLE;
    VkDescriptorSet set = VK_NULL_HANDLE;
};

/// A list of commands and the pool that it is from.
struct Commands {
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer list = VK_NULL_HANDLE;
};

/// Ends the program where a call failed.
void check(VkResult result, const char* call);

/// The first discrete GPU, or what there is; one queue of a family that computes and, where there
/// is one, does not draw. What it makes lives as long as the process unless it is given to free().
/// One thread.
class Device {
  public:
    Device();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool on_cpu() const noexcept { return on_cpu_; }

    /// @return a buffer there; where the device has no such memory, with no handle.
    [[nodiscard]] Buffer buffer(VkDeviceSize bytes, Place place) const;
    [[nodiscard]] Pipeline pipeline(std::span<const std::uint32_t> words, std::uint32_t bindings,
                                    std::uint32_t push_bytes = 0) const;
    [[nodiscard]] Bound bind(const Pipeline& pipeline,
                             std::initializer_list<const Buffer*> buffers) const;
    /// @return a list, ready to record. @param again it is submitted while it is under way
    [[nodiscard]] Commands begin(bool again = false) const;
    void free(const Buffer& buffer) const;
    void free(const Pipeline& pipeline) const;
    void free(const Bound& bound) const;
    void free(const Commands& commands) const;

    /// Gives it to the queue; wait() then waits for the last such call.
    void submit(const Commands& commands, bool last = true);
    /// Spins on the fence.
    void wait() const;
    void run(const Commands& commands) {
        submit(commands);
        wait();
    }

  private:
    void choose();
    void open();
    [[nodiscard]] std::uint32_t memory_type(std::uint32_t allowed, Place place) const;

    std::string name_;
    bool on_cpu_ = false;
    VkInstance instance_ = VK_NULL_HANDLE;
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    VkPhysicalDeviceMemoryProperties memory_{};
    VkDevice device_ = VK_NULL_HANDLE;
    std::uint32_t family_ = 0;
    VkQueue queue_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
};

// What is recorded into a list.
void record_barrier(VkCommandBuffer list);  ///< everything before is there for everything after
void record_copy(VkCommandBuffer list, const Buffer& from, const Buffer& to);
void record_dispatch(VkCommandBuffer list, const Pipeline& pipeline, const Bound& bound,
                     std::uint32_t x, std::uint32_t y = 1);
void end(const Commands& commands);  ///< nothing more is recorded

}  // namespace bench::gpu
