// SPDX-License-Identifier: MIT
#pragma once
/// @file setup.hpp What a dispatch needs on its device, made once and used for many.
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exec/gpu/job.hpp"

namespace repartir::gpu {

/// Where an operand lies while its kernel runs, and how its bytes get there.
enum class Way : std::uint8_t {
    direct,    ///< in memory that the host reads and writes itself: nothing is copied
    staged,    ///< in the device's, copied from and to memory of the host's that is kept for it
    imported,  ///< in the device's, copied from and to the caller's own memory
    in_place,  ///< in the caller's own memory
    resident,  ///< where a buffer lies that stays on the device
};

/// What decides the way of an operand, of a device.
struct Ways {
    bool unified = false;  ///< Device::unified()
    bool near = false;     ///< it has Place::near
    bool copies = false;   ///< for tests: never direct, as if nothing were shared
};
/// How an operand is laid out.
struct Layout {
    Way way = Way::staged;
    Place bound = Place::device;  ///< direct, staged, imported: where the kernel finds it
    Place stage = Place::upload;  ///< staged: where the host finds it
    bool operator==(const Layout&) const = default;
};
/// Up to so many bytes go into the device's own memory by the host's writing: beyond that, a copy
/// by the device is quicker (measured on an H100: 15 against 26 us for 1 KiB, in and out).
inline constexpr std::uint64_t near_bytes_max = 32ULL << 10U;
/// @param readable whether the kernel may read what it writes
[[nodiscard]] Layout layout_of(const Ways& device, const Operand& operand, bool readable) noexcept;

/// A dispatch that is set up: its buffers, its descriptors, and where it is run again and again
/// alone, its commands. Belongs to one job at a time. Immovable.
class Setup {
  public:
    /// Errors (Domain::gpu): out_of_resources, driver_failed.
    [[nodiscard]] static Result<std::unique_ptr<Setup>> make(const Device& device, Memory& memory,
                                                             const Ways& ways, const Job& job);

    /// Writes what the host writes itself, and binds what is another one than last time.
    void load(const Job& job);
    /// Reads what the host reads itself, once the device is done.
    void unload(const Job& job) const;

    // For who records commands. Those of copying there are, and of zeroing, between barriers.
    void record_uploads(VkCommandBuffer into, const Job& job) const;
    void record_dispatch(VkCommandBuffer into, const Job& job) const;
    void record_downloads(VkCommandBuffer into, const Job& job) const;
    [[nodiscard]] bool uploads() const noexcept { return uploads_; }
    [[nodiscard]] bool downloads() const noexcept { return downloads_; }
    /// @return whether its commands depend on nothing but what load() sees; not so with buffers
    /// that stay on the device, for which barriers come and go.
    [[nodiscard]] bool repeats() const noexcept { return repeats_; }

    /// The commands of the last time that it ran alone.
    struct Recorded {
        VkCommandBuffer commands = nullptr;  ///< of the engine's pool
        std::array<std::uint32_t, 3> workgroups{};
        std::string push;
        std::uint32_t times = 0;  ///< that it ran alone
        bool valid = false;
    };
    Recorded recorded;

  private:
    struct Slot {
        Layout layout;
        RegionPtr bound;
        RegionPtr stage;
        std::uint64_t written = 0;   ///< the region that its descriptor names
        std::uint64_t imported = 0;  ///< the one of the caller's that it was last
    };
    Setup(const Device& device, std::shared_ptr<const Pipeline> pipeline)
        : device_(device), pipeline_(std::move(pipeline)) {}
    [[nodiscard]] Result<void> take_regions(Memory& memory, const Ways& ways, const Job& job);
    [[nodiscard]] Result<void> make_sets();
    [[nodiscard]] static const Region& bound_of(const Slot& slot, const Operand& operand) noexcept;
    void bind(std::size_t index, const Region& region, std::uint64_t bytes);

    const Device& device_;
    std::shared_ptr<const Pipeline> pipeline_;  // shared with jobs, see Pipelines
    std::vector<Slot> slots_;
    Owned<VkDescriptorPool> pool_;
    std::vector<VkDescriptorSet> sets_;
    bool uploads_ = false;
    bool downloads_ = false;
    bool repeats_ = true;
};

/// Setups that wait for the next job of their kind: the same pipeline and operands of the same
/// sizes. One thread at a time.
class Setups {
  public:
    Setups(const Device& device, Memory& memory, const Ways& ways)
        : device_(device), memory_(memory), ways_(ways) {}

    /// @return one that waits, or a new one. What waits is given up where memory is short.
    /// Errors (Domain::gpu): out_of_resources, driver_failed.
    [[nodiscard]] Result<std::unique_ptr<Setup>> take(const Job& job);
    /// Gives one back, that a job like this used; the device is done with it.
    void give_back(const Job& job, std::unique_ptr<Setup> setup);
    /// @return commands of setups that were given up, which may be used for others.
    [[nodiscard]] std::vector<VkCommandBuffer>& spare_commands() noexcept { return spare_; }

  private:
    using Key = std::vector<std::uint64_t>;
    struct Kept {
        Key key;
        std::unique_ptr<Setup> setup;
    };
    static constexpr std::size_t kept_max = 1024;
    [[nodiscard]] Key key_of(const Job& job) const;
    void drop_oldest();

    const Device& device_;
    Memory& memory_;
    Ways ways_;
    std::list<Kept> kept_;  ///< the least recently used first
    std::multimap<Key, std::list<Kept>::iterator> by_key_;
    std::vector<VkCommandBuffer> spare_;
};

}  // namespace repartir::gpu
