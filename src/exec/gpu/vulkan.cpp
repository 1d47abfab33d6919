// SPDX-License-Identifier: MIT
#include "exec/gpu/vulkan.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <type_traits>
#include <utility>

namespace repartir::gpu {
namespace {

Error none(std::string sentence) {
    return Error(Domain::gpu, Code::unsupported, Fault::user, std::move(sentence));
}

/// @return the sentence for a loader that could not be opened. @param reason the linker's words
Error no_loader(const std::string& loader, std::string_view reason) {
    if (reason.starts_with(loader) && reason.find("No such file") != std::string_view::npos) {
        return none("no Vulkan loader (" + loader +
                    ") is installed; Debian's is in the package libvulkan1");
    }
    return none("the Vulkan loader cannot be opened: " + std::string(reason));
}

Error no_driver() {
    const std::string sentence = "no Vulkan driver was found that works here";
    for (const char* name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {
        const char* files = std::getenv(name);
        if (files != nullptr && *files != '\0') {
            return none(sentence + "; only those are looked for that " + name + " names: " + files);
        }
    }
    return none(sentence);
}

/// @return the function of that name; nullptr when the loader has none.
template <class Function>
Function find(PFN_vkGetInstanceProcAddr look_up, VkInstance instance, const char* name) {
    // SAFETY: Vulkan promises that what it gives for a name has the type of that name.
    return reinterpret_cast<Function>(look_up(instance, name));
}

}  // namespace

std::string name_of(VkResult result) {
    switch (result) {
        case VK_ERROR_OUT_OF_HOST_MEMORY:
            return "VK_ERROR_OUT_OF_HOST_MEMORY";
        case VK_ERROR_OUT_OF_DEVICE_MEMORY:
            return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
        case VK_ERROR_INITIALIZATION_FAILED:
            return "VK_ERROR_INITIALIZATION_FAILED";
        case VK_ERROR_DEVICE_LOST:
            return "VK_ERROR_DEVICE_LOST";
        case VK_ERROR_LAYER_NOT_PRESENT:
            return "VK_ERROR_LAYER_NOT_PRESENT";
        case VK_ERROR_EXTENSION_NOT_PRESENT:
            return "VK_ERROR_EXTENSION_NOT_PRESENT";
        case VK_ERROR_INCOMPATIBLE_DRIVER:
            return "VK_ERROR_INCOMPATIBLE_DRIVER";
        default:
            return "VkResult " + std::to_string(static_cast<std::int64_t>(result));
    }
}

Error driver_error(std::string_view function, VkResult result) {
    const bool host = result == VK_ERROR_OUT_OF_HOST_MEMORY;
    const bool memory = host || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return Error(Domain::gpu, memory ? Code::out_of_resources : Code::driver_failed,
                 host ? Fault::system : Fault::node,
                 "a Vulkan driver failed: " + std::string(function) + " gave " + name_of(result));
}

void Vulkan::Close::operator()(void* library) const noexcept { ::dlclose(library); }

Result<std::unique_ptr<Vulkan>> Vulkan::open(const std::string& loader) {
    Library library(::dlopen(loader.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (!library) {
        const char* reason = ::dlerror();
        return fail(no_loader(loader, reason == nullptr ? "" : reason));
    }
    std::unique_ptr<Vulkan> vulkan(new Vulkan(std::move(library)));
    if (Result<void> started = vulkan->start(); !started) {
        return fail(started.error());
    }
    return vulkan;
}

Result<void> Vulkan::start() {
    // SAFETY: the loader's one exported function that Vulkan has every loader export.
    const auto look_up = reinterpret_cast<PFN_vkGetInstanceProcAddr>(
        ::dlsym(library_.get(), "vkGetInstanceProcAddr"));
    if (look_up == nullptr) {
        return fail(
            none("what is installed as the Vulkan loader is none: it has no"
                 " vkGetInstanceProcAddr"));
    }
    const auto create = find<PFN_vkCreateInstance>(look_up, nullptr, "vkCreateInstance");
    // A loader of Vulkan 1.0 lacks this one, and refuses who asks it for more than 1.0.
    if (create == nullptr || look_up(nullptr, "vkEnumerateInstanceVersion") == nullptr) {
        return fail(none("the Vulkan loader is too old: it knows nothing after Vulkan 1.0"));
    }
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.pEngineName = "repartir";
    application.apiVersion = VK_API_VERSION_1_3;  // the newest that we know; devices may have less
    VkInstanceCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    wanted.pApplicationInfo = &application;
    const VkResult created = create(&wanted, nullptr, &instance_);
    if (created != VK_SUCCESS) {
        instance_ = nullptr;
        return fail(created == VK_ERROR_INCOMPATIBLE_DRIVER
                        ? no_driver()
                        : driver_error("vkCreateInstance", created));
    }
    const char* missing = nullptr;
    const auto fill = [&](auto& function, const char* name) {
        function = find<std::remove_reference_t<decltype(function)>>(look_up, instance_, name);
        missing = function == nullptr ? name : missing;
    };
    fill(call.destroy_instance, "vkDestroyInstance");
    fill(call.enumerate_physical_devices, "vkEnumeratePhysicalDevices");
    fill(call.enumerate_device_extension_properties, "vkEnumerateDeviceExtensionProperties");
    fill(call.get_physical_device_properties, "vkGetPhysicalDeviceProperties");
    fill(call.get_physical_device_properties2, "vkGetPhysicalDeviceProperties2");
    fill(call.get_physical_device_features2, "vkGetPhysicalDeviceFeatures2");
    fill(call.get_physical_device_memory_properties2, "vkGetPhysicalDeviceMemoryProperties2");
    fill(call.get_physical_device_queue_family_properties,
         "vkGetPhysicalDeviceQueueFamilyProperties");
    fill(call.create_device, "vkCreateDevice");
    fill(call.get_device_proc_addr, "vkGetDeviceProcAddr");
    if (missing != nullptr) {
        return fail(none("the Vulkan loader is too old: it lacks " + std::string(missing)));
    }
    return {};
}

Vulkan::~Vulkan() {
    if (instance_ != nullptr && call.destroy_instance != nullptr) {
        call.destroy_instance(instance_, nullptr);
    }
}

Result<std::vector<VkPhysicalDevice>> Vulkan::devices() const {
    std::vector<VkPhysicalDevice> found;
    VkResult result = VK_INCOMPLETE;  // one that came between the two calls: again
    while (result == VK_INCOMPLETE) {
        std::uint32_t count = 0;
        result = call.enumerate_physical_devices(instance_, &count, nullptr);
        if (result == VK_SUCCESS) {
            found.resize(count);
            result = call.enumerate_physical_devices(instance_, &count, found.data());
            found.resize(count);
        }
    }
    if (result == VK_ERROR_INITIALIZATION_FAILED) {  // the loader's way to say: none
        return std::vector<VkPhysicalDevice>();
    }
    if (result != VK_SUCCESS) {
        return fail(driver_error("vkEnumeratePhysicalDevices", result));
    }
    return found;
}

}  // namespace repartir::gpu
