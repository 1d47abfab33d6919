// SPDX-License-Identifier: MIT
#pragma once
/// @file owned.hpp An object of a device's that is destroyed with its owner.
#include <vulkan/vulkan_core.h>

#include <utility>

namespace repartir::gpu {

/// Owns one object of a VkDevice, which is to outlive it; move-only, may be empty.
template <class Object>
class Owned {
  public:
    using Destroy = void(VKAPI_PTR*)(VkDevice, Object, const VkAllocationCallbacks*);

    Owned() = default;
    Owned(VkDevice device, Object object, Destroy destroy) noexcept
        : device_(device), object_(object), destroy_(destroy) {}
    Owned(Owned&& other) noexcept
        : device_(other.device_),
          object_(std::exchange(other.object_, Object{})),
          destroy_(other.destroy_) {}
    Owned& operator=(Owned&& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(object_, other.object_);
        std::swap(destroy_, other.destroy_);
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() {
        if (object_ != Object{}) {
            destroy_(device_, object_, nullptr);
        }
    }

    [[nodiscard]] Object get() const noexcept { return object_; }

  private:
    VkDevice device_ = nullptr;
    Object object_{};
    Destroy destroy_ = nullptr;
};

}  // namespace repartir::gpu
