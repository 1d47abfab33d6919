// SPDX-License-Identifier: MIT
#pragma once
/// @file device.hpp A Vulkan device that is ready to compute.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "exec/gpu/describe.hpp"
#include "exec/gpu/device_calls.hpp"
#include "exec/gpu/kernel/interface.hpp"
#include "exec/gpu/owned.hpp"
#include "exec/gpu/vulkan.hpp"

namespace repartir::gpu {

/// Kinds of memory, by who reads and writes it.
enum class Place : std::uint8_t {
    device,    ///< the device alone
    near,      ///< the device's own, which the host can write (slow to read): small inputs
    upload,    ///< the host's, which it writes and the device copies from
    download,  ///< the host's, which the device copies to and the host reads
};
inline constexpr std::size_t place_count = 4;

/// A logical device with one queue that computes and copies. Immovable. Any thread may use `call`
/// as Vulkan allows it: the queue belongs to one thread at a time.
class Device {
  public:
    /// Opens a device with what kernels can make use of. @param vulkan outlives it
    /// Errors (Domain::gpu): unsupported (it cannot be used), driver_failed, out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<Device>> open(const Vulkan& vulkan,
                                                              VkPhysicalDevice physical);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    [[nodiscard]] const DeviceInfo& info() const noexcept { return info_; }
    /// @return what kernels may use.
    [[nodiscard]] const Features& features() const noexcept { return features_; }
    [[nodiscard]] VkDevice handle() const noexcept { return handle_; }
    [[nodiscard]] VkQueue queue() const noexcept { return queue_; }
    [[nodiscard]] std::uint32_t queue_family() const noexcept { return family_; }
    /// @return the memory type for a place; nothing where the device has none (Place::near only).
    [[nodiscard]] std::optional<std::uint32_t> memory_type(Place place) const noexcept {
        return types_[static_cast<std::size_t>(place)];
    }
    /// @return whether the device's own memory is the host's too, so that nothing has to be copied.
    [[nodiscard]] bool unified() const noexcept { return unified_; }
    /// @return how large a buffer may be, in bytes.
    [[nodiscard]] std::uint64_t buffer_bytes_max() const noexcept { return buffer_bytes_max_; }
    /// @return the memory's types and heaps.
    [[nodiscard]] const VkPhysicalDeviceMemoryProperties& memory() const noexcept {
        return memory_;
    }
    /// An owner for an object of this device's.
    template <class Object>
    [[nodiscard]] Owned<Object> own(Object object, typename Owned<Object>::Destroy destroy) const {
        return Owned<Object>(handle_, object, destroy);
    }

    DeviceCalls call;

  private:
    Device(const Vulkan& vulkan, VkPhysicalDevice physical) noexcept
        : vulkan_(vulkan), physical_(physical) {}
    [[nodiscard]] Result<void> start(const RawDevice& raw);
    [[nodiscard]] Result<void> choose_memory();

    const Vulkan& vulkan_;
    VkPhysicalDevice physical_;
    DeviceInfo info_;
    Features features_;
    VkPhysicalDeviceMemoryProperties memory_{};
    VkDevice handle_ = nullptr;
    VkQueue queue_ = nullptr;
    std::uint32_t family_ = 0;
    std::uint64_t buffer_bytes_max_ = 0;
    std::array<std::optional<std::uint32_t>, place_count> types_;
    bool unified_ = false;
};

/// The usage of every buffer of ours.
inline constexpr VkBufferUsageFlags buffer_usage =
    VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

}  // namespace repartir::gpu
