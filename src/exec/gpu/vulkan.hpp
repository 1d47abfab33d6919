// SPDX-License-Identifier: MIT
#pragma once
/// @file vulkan.hpp The Vulkan loader, opened at run time, and an instance of it
/// (docs/decisions/0014-vulkan-at-run-time.md).
#include <vulkan/vulkan_core.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::gpu {

/// The file that a Vulkan loader is found by.
inline constexpr const char* vulkan_loader = "libvulkan.so.1";

/// @return the name of a result, such as "VK_ERROR_DEVICE_LOST"; its number where we know none.
[[nodiscard]] std::string name_of(VkResult result);
/// @return the error for a function of Vulkan's, by its name, that gave `result`: out_of_resources
/// where memory is short, else driver_failed.
[[nodiscard]] Error driver_error(std::string_view function, VkResult result);

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

    /// The functions of the instance that we call, named as Vulkan names them. None is null.
    struct Functions {
        PFN_vkDestroyInstance destroy_instance = nullptr;
        PFN_vkEnumeratePhysicalDevices enumerate_physical_devices = nullptr;
        PFN_vkEnumerateDeviceExtensionProperties enumerate_device_extension_properties = nullptr;
        PFN_vkGetPhysicalDeviceProperties get_physical_device_properties = nullptr;
        PFN_vkGetPhysicalDeviceProperties2 get_physical_device_properties2 = nullptr;
        PFN_vkGetPhysicalDeviceFeatures2 get_physical_device_features2 = nullptr;
        PFN_vkGetPhysicalDeviceMemoryProperties2 get_physical_device_memory_properties2 = nullptr;
        PFN_vkGetPhysicalDeviceQueueFamilyProperties get_physical_device_queue_family_properties =
            nullptr;
        PFN_vkCreateDevice create_device = nullptr;
        PFN_vkGetDeviceProcAddr get_device_proc_addr = nullptr;
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
