// SPDX-License-Identifier: MIT
#pragma once
/// @file interface.hpp What a compute shader asks of its task and its device, read out of its
/// SPIR-V.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace repartir::gpu {

/// What a device need not have. A shader that uses one runs only where it is there.
enum class Feature : std::uint8_t {
    float16,  ///< arithmetic; so the next four
    float64,
    int8,
    int16,
    int64,
    buffer_atomics_int64,  ///< 64-bit atomics in storage buffers
    shared_atomics_int64,  ///< 64-bit atomics in workgroup memory
    memory_model,          ///< Vulkan's memory model
    memory_model_device_scope,
    storage_8bit,  ///< 8-bit members of storage buffers; so the next ones, by width and place
    storage_16bit,
    uniform_8bit,
    uniform_16bit,
    push_constant_8bit,
    push_constant_16bit,
    subgroup_basic,  ///< operations between the invocations of a subgroup; so the next ones
    subgroup_vote,
    subgroup_arithmetic,
    subgroup_ballot,
    subgroup_shuffle,
    subgroup_shuffle_relative,
    subgroup_clustered,
    subgroup_quad,
    scalar_layout,  ///< VkPhysicalDeviceVulkan12Features::scalarBlockLayout
    local_size_id,  ///< VkPhysicalDeviceVulkan13Features::maintenance4
    vulkan_1_3,     ///< SPIR-V 1.6
};
/// How many there are.
inline constexpr std::size_t feature_count = static_cast<std::size_t>(Feature::vulkan_1_3) + 1;
/// @return its name, such as "float16" and "memory_model".
[[nodiscard]] std::string_view to_string(Feature feature) noexcept;

/// A set of features.
class Features {
  public:
    void add(Feature feature) noexcept { bits_ |= bit(feature); }
    void add(Features others) noexcept { bits_ |= others.bits_; }
    [[nodiscard]] bool has(Feature feature) const noexcept { return (bits_ & bit(feature)) != 0; }
    [[nodiscard]] bool empty() const noexcept { return bits_ == 0; }
    // As a number, to travel.
    [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }
    [[nodiscard]] static Features of_bits(std::uint32_t bits) noexcept {
        Features features;
        features.bits_ = bits;
        return features;
    }
    bool operator==(const Features&) const = default;

  private:
    [[nodiscard]] static std::uint32_t bit(Feature feature) noexcept {
        return std::uint32_t{1} << static_cast<std::uint32_t>(feature);
    }
    std::uint32_t bits_ = 0;
};
static_assert(feature_count <= 32);

/// What kind of buffer a binding takes.
enum class BindingKind : std::uint8_t { storage, uniform };
/// @return "storage" or "uniform".
[[nodiscard]] std::string_view to_string(BindingKind kind) noexcept;

/// A buffer that the entry point uses.
struct Binding {
    std::uint32_t set = 0;
    std::uint32_t binding = 0;
    BindingKind kind = BindingKind::storage;
    bool readable = false;            ///< the entry point may read it
    bool writable = false;            ///< the entry point may write it
    std::uint64_t bytes_min = 0;      ///< of what comes before the array without a length
    std::uint32_t element_bytes = 0;  ///< of that array at the buffer's end; 0: there is none
    std::string name;                 ///< the shader's; may be empty
    bool operator==(const Binding&) const = default;
};

enum class ScalarType : std::uint8_t {
    boolean,
    int8,
    uint8,
    int16,
    uint16,
    float16,
    int32,
    uint32,
    float32,
    int64,
    uint64,
    float64,
};
/// @return "bool", "int32", "float16" and so on.
[[nodiscard]] std::string_view to_string(ScalarType type) noexcept;

/// A constant that can be given another value before the shader runs (compile.hpp).
struct Constant {
    std::uint32_t id = 0;  ///< SpecId
    ScalarType type = ScalarType::uint32;
    std::uint64_t bits = 0;  ///< its value, in the lowest bits; of a boolean 0 or 1
    std::string name;        ///< the shader's; may be empty
    bool operator==(const Constant&) const = default;
};

/// One entry point of a checked module. Sizes that depend on constants are those of the values that
/// stand in the module.
struct Interface {
    std::string entry;
    std::array<std::uint32_t, 3> workgroup_size{};  ///< invocations in x, y, z; none is 0
    /// Those that the entry point uses, by set and binding: the order in which a task gives
    /// buffers.
    std::vector<Binding> bindings;
    std::uint32_t push_constant_bytes = 0;  ///< a multiple of 4
    std::vector<Constant> constants;        ///< of the module, by id
    std::uint64_t shared_bytes = 0;         ///< workgroup memory that the entry point uses
    Features needs;                         ///< of the module
    bool operator==(const Interface&) const = default;
};

}  // namespace repartir::gpu
