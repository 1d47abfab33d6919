// SPDX-License-Identifier: MIT
#pragma once
/// @file memory.hpp Buffers of a device: suballocated from blocks, and kept for the next of their
/// size.
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "exec/gpu/device.hpp"
#include "exec/gpu/ranges.hpp"

namespace repartir::gpu {

class Memory;

/// A buffer that lies in a block's memory, or in memory of the host's. It has a VkBuffer of its
/// own, so that what a kernel does out of bounds cannot leave it. Immovable.
class Region {
  public:
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region();

    [[nodiscard]] VkBuffer buffer() const noexcept { return buffer_.get(); }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    /// @return a number that no other region of its memory has, nor had.
    [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
    /// @return its bytes where the host sees them, else nothing.
    [[nodiscard]] std::byte* host() const noexcept { return host_; }

  private:
    friend class Memory;
    struct Block;
    Region() = default;

    Owned<VkBuffer> buffer_;
    Owned<VkDeviceMemory> import_;  ///< of the host's memory
    std::uint64_t serial_ = 0;
    std::uint64_t bytes_ = 0;
    std::byte* host_ = nullptr;
    Block* block_ = nullptr;
    std::uint64_t offset_ = 0;
    std::uint64_t taken_ = 0;  ///< bytes of the block
};

/// Gives a region back to the memory that it came from.
struct GiveBack {
    Memory* memory = nullptr;
    void operator()(Region* region) const noexcept;
};
using RegionPtr = std::unique_ptr<Region, GiveBack>;

/// The buffers of one device. One thread at a time; regions are given back by it too, and before
/// it is destroyed. No region is given back that the device still uses.
class Memory {
  public:
    /// How much is taken of what.
    struct Use {
        std::uint64_t device_bytes = 0;  ///< memory of the device's own
        std::uint64_t host_bytes = 0;    ///< of the host's
        std::uint64_t regions = 0;       ///< that are in use
        std::uint64_t kept = 0;          ///< that wait for the next of their size
        std::uint64_t imported = 0;      ///< of `regions`
    };

    /// @param device_bytes_max how much it takes of the device's own memory, at most
    explicit Memory(const Device& device, std::uint64_t device_bytes_max = UINT64_MAX);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    /// @return a buffer of at least that many bytes (its contents are anything), one that was given
    /// back if there is one. What was kept is given up where memory is short.
    /// Errors (Domain::gpu): out_of_resources, too_large, driver_failed.
    [[nodiscard]] Result<RegionPtr> take(Place place, std::uint64_t bytes);
    /// @return a buffer that lies in these bytes of the host's, which are to outlive it: whole
    /// pages as DeviceLimits::host_memory_alignment has it. Errors (Domain::gpu): unsupported (copy
    /// instead), out_of_resources, driver_failed.
    [[nodiscard]] Result<RegionPtr> import(std::span<std::byte> bytes);
    /// Gives up what was kept.
    void trim();
    [[nodiscard]] const Use& use() const noexcept { return use_; }

    /// @return what a buffer of `bytes` takes: sizes have steps, so that there are few of them.
    [[nodiscard]] static std::uint64_t rounded(std::uint64_t bytes) noexcept;

  private:
    friend struct GiveBack;
    using Block = Region::Block;
    using Size = std::pair<std::uint32_t, std::uint64_t>;  ///< memory type, bytes

    [[nodiscard]] Result<RegionPtr> make(std::uint32_t type, std::uint64_t bytes);
    [[nodiscard]] Result<void> place(Region& region, std::uint32_t type);
    [[nodiscard]] Result<Block*> block_for(std::uint32_t type, std::uint64_t bytes);
    [[nodiscard]] std::uint64_t& counter(std::uint32_t type) noexcept;
    void give_back(Region* region) noexcept;
    void destroy(Region* region) noexcept;

    const Device& device_;
    const std::uint64_t device_bytes_max_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::map<Size, std::vector<Region*>> kept_;
    Use use_;
    std::uint64_t last_serial_ = 0;
};

}  // namespace repartir::gpu
