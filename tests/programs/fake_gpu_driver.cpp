// SPDX-License-Identifier: MIT
/// @file fake_gpu_driver.cpp A Vulkan driver whose devices exist on paper only, for tests of
/// discovery. FAKE_GPU in the environment says how it behaves: "crash", "crash at the end", "hang",
/// "exit", "exit well", "fail", "none" (no device), "noisy" (one device, and words on standard
/// output), or anything else: five devices.
#include <signal.h>
#include <unistd.h>
#include <vulkan/vk_icd.h>
#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

/// What a handle of an instance or a device leads to: the loader keeps a word of its own in front.
struct FakeDevice {
    VK_LOADER_DATA loaders;
    const char* name;
    VkPhysicalDeviceType type;
    std::uint32_t vulkan;
    std::uint64_t memory_gib;
    VkDriverId driver;
};

constexpr VkPhysicalDeviceType discrete = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
constexpr VkDriverId unknown = VK_DRIVER_ID_MAX_ENUM;
FakeDevice instance_data{};
FakeDevice devices[] = {
    {{},
     "Fake lavapipe",
     VK_PHYSICAL_DEVICE_TYPE_CPU,
     VK_API_VERSION_1_3,
     64,
     VK_DRIVER_ID_MESA_LLVMPIPE},
    {{}, "Fake 100", discrete, VK_API_VERSION_1_3, 8, unknown},
    {{}, "Fake Built-in", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, VK_API_VERSION_1_2, 32, unknown},
    {{}, "Fake 100 \x1b Max", discrete, VK_API_VERSION_1_3, 16, unknown},
    {{}, "Fake 5", discrete, VK_API_VERSION_1_1, 2, unknown},
};

std::string_view behaviour() {
    const char* told = std::getenv("FAKE_GPU");
    return told == nullptr ? "" : told;
}

std::uint32_t device_count() {
    constexpr std::uint32_t all = std::size(devices);
    return behaviour() == "none" ? 0 : behaviour() == "noisy" ? 1 : all;
}

const FakeDevice& at(VkPhysicalDevice device) {
    return *reinterpret_cast<const FakeDevice*>(device);
}

VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo*, const VkAllocationCallbacks*,
                                    VkInstance* instance) {
    if (behaviour() == "crash") {
        ::raise(SIGSEGV);
    }
    while (behaviour() == "hang") {
        ::pause();
    }
    if (behaviour() == "exit" || behaviour() == "exit well") {
        ::_exit(behaviour() == "exit" ? 3 : 0);
    }
    if (behaviour() == "noisy") {
        std::puts("the fake driver says hello");
        std::fflush(stdout);
    }
    instance_data.loaders.loaderMagic = ICD_LOADER_MAGIC;
    *instance = reinterpret_cast<VkInstance>(&instance_data);
    return behaviour() == "fail" ? VK_ERROR_INITIALIZATION_FAILED : VK_SUCCESS;
}

void VKAPI_CALL destroy_instance(VkInstance, const VkAllocationCallbacks*) {
    if (behaviour() == "crash at the end") {
        ::abort();
    }
}

VkResult VKAPI_CALL enumerate_version(std::uint32_t* version) {
    *version = VK_API_VERSION_1_3;
    return VK_SUCCESS;
}

VkResult VKAPI_CALL enumerate_devices(VkInstance, std::uint32_t* count, VkPhysicalDevice* into) {
    if (into == nullptr) {
        *count = device_count();
        return VK_SUCCESS;
    }
    *count = std::min(*count, device_count());
    for (std::uint32_t i = 0; i < *count; ++i) {
        devices[i].loaders.loaderMagic = ICD_LOADER_MAGIC;
        into[i] = reinterpret_cast<VkPhysicalDevice>(&devices[i]);
    }
    return VK_SUCCESS;
}

VkResult VKAPI_CALL no_extensions(const char*, std::uint32_t* count, VkExtensionProperties*) {
    *count = 0;
    return VK_SUCCESS;
}

VkResult VKAPI_CALL no_device_extensions(VkPhysicalDevice, const char*, std::uint32_t* count,
                                         VkExtensionProperties*) {
    *count = 0;
    return VK_SUCCESS;
}

void VKAPI_CALL get_properties(VkPhysicalDevice device, VkPhysicalDeviceProperties* into) {
    *into = {};
    into->apiVersion = at(device).vulkan;
    into->vendorID = 0xFA4E;
    into->deviceType = at(device).type;
    std::strncpy(into->deviceName, at(device).name, sizeof into->deviceName - 1);
}

void VKAPI_CALL get_properties2(VkPhysicalDevice device, VkPhysicalDeviceProperties2* into) {
    get_properties(device, &into->properties);
    for (auto* next = static_cast<VkBaseOutStructure*>(into->pNext); next != nullptr;
         next = next->pNext) {
        if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES) {
            auto* driver = reinterpret_cast<VkPhysicalDeviceDriverProperties*>(next);
            driver->driverID = at(device).driver;
            std::strcpy(driver->driverName, "fake");
            std::strcpy(driver->driverInfo, "0.1");
        }
        if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES) {
            auto* id = reinterpret_cast<VkPhysicalDeviceIDProperties*>(next);
            std::memset(id->deviceUUID, static_cast<int>(at(device).memory_gib), VK_UUID_SIZE);
        }
    }
}

void VKAPI_CALL get_features2(VkPhysicalDevice, VkPhysicalDeviceFeatures2* into) {
    into->features.shaderInt64 = VK_TRUE;
}

void VKAPI_CALL get_memory2(VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties2* into) {
    into->memoryProperties = {};
    into->memoryProperties.memoryHeapCount = 2;
    into->memoryProperties.memoryHeaps[0] = {at(device).memory_gib << 30U,
                                             VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
    into->memoryProperties.memoryHeaps[1] = {1U << 30U, 0};
}

void VKAPI_CALL get_queues(VkPhysicalDevice, std::uint32_t* count, VkQueueFamilyProperties* into) {
    *count = 1;
    if (into != nullptr) {
        *into = {VK_QUEUE_COMPUTE_BIT, 4, 64, {1, 1, 1}};
    }
}

void VKAPI_CALL not_to_be_called() { ::abort(); }

struct Named {
    std::string_view name;
    PFN_vkVoidFunction function;
};

template <class F>
PFN_vkVoidFunction any(F* function) {
    return reinterpret_cast<PFN_vkVoidFunction>(function);
}

}  // namespace

extern "C" VKAPI_ATTR VkResult VKAPI_CALL
vk_icdNegotiateLoaderICDInterfaceVersion(std::uint32_t* version) {
    *version = std::min<std::uint32_t>(*version, 5);
    return VK_SUCCESS;
}

extern "C" VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance,
                                                                              const char* name) {
    const Named functions[] = {
        {"vkCreateInstance", any(create_instance)},
        {"vkDestroyInstance", any(destroy_instance)},
        {"vkEnumerateInstanceVersion", any(enumerate_version)},
        {"vkEnumerateInstanceExtensionProperties", any(no_extensions)},
        {"vkEnumerateDeviceExtensionProperties", any(no_device_extensions)},
        {"vkEnumeratePhysicalDevices", any(enumerate_devices)},
        {"vkGetPhysicalDeviceProperties", any(get_properties)},
        {"vkGetPhysicalDeviceProperties2", any(get_properties2)},
        {"vkGetPhysicalDeviceFeatures2", any(get_features2)},
        {"vkGetPhysicalDeviceMemoryProperties2", any(get_memory2)},
        {"vkGetPhysicalDeviceQueueFamilyProperties", any(get_queues)},
    };
    for (const Named& one : functions) {
        if (one.name == name) {
            return one.function;
        }
    }
    // The loader wants the rest of Vulkan 1.0 to be there, and nothing that it does not know.
    const std::string_view asked(name);
    const bool later = asked.ends_with("KHR") || asked.ends_with("EXT") || asked.ends_with("2") ||
                       asked.ends_with("NV") || asked.starts_with("vk_");
    return later ? nullptr : any(not_to_be_called);
}
