// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu.hpp The GPUs of this machine as values: which there are, what each can do, which is
/// meant by a word.
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::gpu {

/// A version of Vulkan.
struct ApiVersion {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::uint32_t patch = 0;
    static constexpr auto codec_fields =
        std::tuple(&ApiVersion::major, &ApiVersion::minor, &ApiVersion::patch);
    auto operator<=>(const ApiVersion&) const = default;
};
/// @return such as "1.3.242".
[[nodiscard]] std::string to_string(const ApiVersion& version);

/// The oldest Vulkan whose devices are used.
inline constexpr ApiVersion api_version_min{1, 2, 0};

/// Kinds of devices, the ones that are preferred first.
enum class DeviceType : std::uint8_t {
    discrete,     ///< a GPU with memory of its own
    integrated,   ///< a GPU that shares the machine's memory
    virtual_gpu,  ///< a part of a GPU, given to a virtual machine
    other,        ///< something else
    cpu,          ///< a driver that computes on the CPU: slow, for tests
};
/// @return "discrete", "integrated", "virtual", "other" or "cpu".
[[nodiscard]] std::string_view to_string(DeviceType type) noexcept;

/// Queues of a device that can do the same.
struct QueueFamily {
    std::uint32_t count = 0;  ///< of queues
    bool compute = false;
    bool transfer = false;  ///< alone: copies that run beside computing
    bool graphics = false;
    static constexpr auto codec_fields = std::tuple(&QueueFamily::count, &QueueFamily::compute,
                                                    &QueueFamily::transfer, &QueueFamily::graphics);
    bool operator==(const QueueFamily&) const = default;
};

/// How far a dispatch and its buffers can go on a device.
struct DeviceLimits {
    std::array<std::uint32_t, 3> workgroup_count_max{};  ///< of one dispatch; x, y, z
    std::array<std::uint32_t, 3> workgroup_size_max{};   ///< invocations; x, y, z
    std::uint32_t workgroup_invocations_max = 0;         ///< x times y times z
    std::uint32_t shared_memory_bytes = 0;               ///< of one workgroup
    std::uint64_t storage_buffer_bytes_max = 0;          ///< what one binding reaches
    std::uint64_t storage_buffer_alignment = 0;          ///< of a binding's offset, in bytes
    std::uint32_t storage_buffers_max = 0;               ///< bindings of one kernel
    std::uint32_t push_constant_bytes_max = 0;
    /// Alignment in bytes of host memory that the device can use in place; 0: it can use none.
    std::uint64_t host_memory_alignment = 0;
    static constexpr auto codec_fields =
        std::tuple(&DeviceLimits::workgroup_count_max, &DeviceLimits::workgroup_size_max,
                   &DeviceLimits::workgroup_invocations_max, &DeviceLimits::shared_memory_bytes,
                   &DeviceLimits::storage_buffer_bytes_max, &DeviceLimits::storage_buffer_alignment,
                   &DeviceLimits::storage_buffers_max, &DeviceLimits::push_constant_bytes_max,
                   &DeviceLimits::host_memory_alignment);
    bool operator==(const DeviceLimits&) const = default;
};

/// What kernels and their host can rely on.
struct DeviceFeatures {
    bool float16 = false;  ///< arithmetic in kernels; so the next four
    bool float64 = false;
    bool int8 = false;
    bool int16 = false;
    bool int64 = false;
    bool buffer_atomics_int64 = false;       ///< 64-bit atomics in storage buffers
    bool shared_atomics_int64 = false;       ///< 64-bit atomics in workgroup memory
    bool memory_model = false;               ///< Vulkan's memory model
    bool memory_model_device_scope = false;  ///< and its device scope
    bool robust_buffer_access = false;       ///< out-of-bounds accesses stay in the buffers
    bool robust_buffer_access2 = false;      ///< they are discarded, and read 0
    bool pipeline_robustness = false;        ///< that can be chosen for each pipeline
    bool timeline_semaphore = false;
    bool buffer_device_address = false;  ///< pointers in kernels
    bool external_memory_host = false;   ///< host memory in place, see host_memory_alignment
    static constexpr auto codec_fields =
        std::tuple(&DeviceFeatures::float16, &DeviceFeatures::float64, &DeviceFeatures::int8,
                   &DeviceFeatures::int16, &DeviceFeatures::int64,
                   &DeviceFeatures::buffer_atomics_int64, &DeviceFeatures::shared_atomics_int64,
                   &DeviceFeatures::memory_model, &DeviceFeatures::memory_model_device_scope,
                   &DeviceFeatures::robust_buffer_access, &DeviceFeatures::robust_buffer_access2,
                   &DeviceFeatures::pipeline_robustness, &DeviceFeatures::timeline_semaphore,
                   &DeviceFeatures::buffer_device_address, &DeviceFeatures::external_memory_host);
    bool operator==(const DeviceFeatures&) const = default;
};

/// One Vulkan device, as its driver describes it. A value; it holds nothing of the device.
struct DeviceInfo {
    std::string name;
    DeviceType type = DeviceType::other;
    std::string why_not;              ///< why it cannot be used, a sentence; empty: it can
    std::vector<std::string> faults;  ///< what this driver is known to get wrong, in sentences
    std::string uuid;                 ///< 8-4-4-4-12 hexadecimal digits; empty: the driver has none
    std::uint32_t vendor_id = 0;      ///< of PCI, or the Khronos group's
    std::uint32_t device_id = 0;      ///< the vendor's
    std::string vendor;               ///< "NVIDIA", ...; hexadecimal where it is not known
    std::string driver;               ///< its name
    std::string driver_version;       ///< as the driver writes it
    ApiVersion vulkan;                ///< what it can do, not what the loader can
    std::uint64_t memory_bytes = 0;   ///< of its own; of an integrated one, what it may take
    /// What of that is free for this process, where the driver tells.
    std::optional<std::uint64_t> memory_available_bytes;
    std::uint32_t subgroup_size = 0;  ///< invocations that run in step
    DeviceLimits limits;
    DeviceFeatures features;
    std::vector<QueueFamily> queue_families;

    [[nodiscard]] bool usable() const noexcept { return why_not.empty(); }

    static constexpr auto codec_fields = std::tuple(
        &DeviceInfo::name, &DeviceInfo::type, &DeviceInfo::why_not, &DeviceInfo::faults,
        &DeviceInfo::uuid, &DeviceInfo::vendor_id, &DeviceInfo::device_id, &DeviceInfo::vendor,
        &DeviceInfo::driver, &DeviceInfo::driver_version, &DeviceInfo::vulkan,
        &DeviceInfo::memory_bytes, &DeviceInfo::memory_available_bytes, &DeviceInfo::subgroup_size,
        &DeviceInfo::limits, &DeviceInfo::features, &DeviceInfo::queue_families);
    bool operator==(const DeviceInfo&) const = default;
};

/// What devices() looks for.
struct DiscoveryOptions {
    DiscoveryOptions() = default;
    bool allow_cpu = false;  ///< drivers that compute on the CPU, too
};

/// Looks for the Vulkan devices of this machine: discrete ones first, then integrated, virtual,
/// other ones and the CPU, of a kind those with more memory first. One that cannot be used is
/// listed with the reason. Never an empty list: that there is none is the Error, whose sentence
/// says why. Any thread; takes up to half a second. The environment counts, as for every Vulkan
/// program (VK_DRIVER_FILES names the drivers).
///
/// Opens the Vulkan loader and every driver in this process, and closes them: a driver that crashes
/// takes the process with it, one that hangs does not return. `repartir gpu list` looks in a
/// process of its own.
///
/// Errors (Domain::gpu): unsupported: there is no loader, driver or device (an ordinary answer: the
/// same program runs on machines without a GPU); driver_failed: a driver gave an error;
/// out_of_resources.
[[nodiscard]] Result<std::vector<DeviceInfo>> devices(const DiscoveryOptions& options = {});

/// Picks a device by a word of a person's: "any" (the first usable one without known faults), "cpu"
/// (the same among CPU drivers), a position in the list (one to three digits are nothing else), the
/// beginning of a UUID (also as NVIDIA writes it, "GPU-..."), or a part of a name; upper and lower
/// case are alike. A whole name goes before parts of others. Pure.
/// @return its position in `devices`, which is usable.
/// Errors (Domain::gpu, the sentence lists what there is): not_found; invalid_argument: several
/// match, or none is named; unsupported: that one cannot be used.
[[nodiscard]] Result<std::size_t> select(std::span<const DeviceInfo> devices,
                                         std::string_view word);

}  // namespace repartir::gpu
