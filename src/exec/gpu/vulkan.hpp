// SPDX-License-Identifier: MIT
#pragma once
/// @file vulkan.hpp The Vulkan loader, opened at run time, and an instance of it
/// (docs/decisions/0014-vulkan-at-run-time.md).
#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES 1  // what is declared but not linked would only fail at link time
#endif
#include <vulkan/vulkan_core.h>

#include <memory>
#include <string>
#include <vector>

#include "repartir/result.hpp"

/// The functions of an instance that we call, by Vulkan's names without "vk".
#define REPARTIR_VULKAN_INSTANCE_FUNCTIONS(each)                                                  \
    each(DestroyInstance) each(EnumeratePhysicalDevices) each(EnumerateDeviceExtensionProperties) \
        each(GetPhysicalDeviceProperties) each(GetPhysicalDeviceProperties2)                      \
            each(GetPhysicalDeviceFeatures2) each(GetPhysicalDeviceMemoryProperties2)             \
                each(GetPhysicalDeviceQueueFamilyProperties)

namespace repartir::gpu {

/// The file that a Vulkan loader is found by.
inline constexpr const char* vulkan_loader = "libvulkan.so.1";

/// @return the name of a result, such as "VK_ERROR_DEVICE_LOST"; its number where we know none.
[[nodiscard]] std::string name_of(VkResult result);

/// A loaded Vulkan loader with an instance that asks for no layer and no extension. Immovable. Any
/// thread may call its functions; destroying it closes the loader, and with it the drivers.
class Vulkan {
  public:
    /// Opens the loader, which opens the drivers. @param loader a file as dlopen looks for it
    /// Errors (Domain::gpu): unsupported (no loader, one that is too old, no driver),
    /// driver_failed, out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<Vulkan>> open(
        const std::string& loader = vulkan_loader);
    ~Vulkan();
    Vulkan(const Vulkan&) = delete;
    Vulkan& operator=(const Vulkan&) = delete;

    /// The functions, `vk.call.GetPhysicalDeviceProperties(...)`. None is null.
    struct Functions {
#define REPARTIR_MEMBER(name) PFN_vk##name name = nullptr;
        REPARTIR_VULKAN_INSTANCE_FUNCTIONS(REPARTIR_MEMBER)
#undef REPARTIR_MEMBER
    };
    Functions call;

    /// @return the devices of all drivers, in the loader's order; maybe none. Valid as long as this
    /// object.
    /// Errors (Domain::gpu): driver_failed, out_of_resources.
    [[nodiscard]] Result<std::vector<VkPhysicalDevice>> devices() const;

  private:
    struct Close {
        void operator()(void* library) const noexcept;
    };
    using Library = std::unique_ptr<void, Close>;

    explicit Vulkan(Library library) noexcept : library_(std::move(library)) {}
    [[nodiscard]] Result<void> start();

    Library library_;
    VkInstance instance_ = nullptr;
};

}  // namespace repartir::gpu
