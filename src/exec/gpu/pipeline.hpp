// SPDX-License-Identifier: MIT
#pragma once
/// @file pipeline.hpp A shader that a driver has compiled.
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/gpu/device.hpp"
#include "exec/gpu/kernel/interface.hpp"

namespace repartir::gpu {

/// A compute pipeline with the layout of what is bound to it. Immutable; any thread.
class Pipeline {
  public:
    /// Has the driver compile a module that was checked. @param cache may be empty
    /// Errors (Domain::gpu): driver_failed, out_of_resources.
    [[nodiscard]] static Result<std::shared_ptr<const Pipeline>> make(
        const Device& device, std::span<const std::uint32_t> words, const Interface& interface,
        VkPipelineCache cache);

    [[nodiscard]] const Interface& interface() const noexcept { return interface_; }
    [[nodiscard]] VkPipeline handle() const noexcept { return pipeline_.get(); }
    [[nodiscard]] VkPipelineLayout layout() const noexcept { return layout_.get(); }
    /// @return the layouts of its sets, from 0; those that it does not use are there too.
    [[nodiscard]] const std::vector<VkDescriptorSetLayout>& set_layouts() const noexcept {
        return set_handles_;
    }

  private:
    explicit Pipeline(const Interface& interface) : interface_(interface) {}
    [[nodiscard]] Result<void> lay_out(const Device& device);

    Interface interface_;
    std::vector<Owned<VkDescriptorSetLayout>> sets_;
    std::vector<VkDescriptorSetLayout> set_handles_;
    Owned<VkPipelineLayout> layout_;
    Owned<VkPipeline> pipeline_;
};

/// The pipelines of one device, by content; the driver's own cache behind them. Any thread: a
/// compilation holds up others only where they want the same cache of the driver's.
class Pipelines {
  public:
    /// @param kept what saved() gave once; of another device or driver it is not used
    explicit Pipelines(const Device& device, std::span<const std::byte> kept = {});
    Pipelines(const Pipelines&) = delete;
    Pipelines& operator=(const Pipelines&) = delete;
    ~Pipelines() = default;

    /// @return the pipeline for a module that was checked, compiled if it is not there.
    /// Errors (Domain::gpu): driver_failed, out_of_resources.
    [[nodiscard]] Result<std::shared_ptr<const Pipeline>> get(std::span<const std::uint32_t> words,
                                                              const Interface& interface);
    /// @return what the driver wants to find again next time; nothing when it has nothing.
    [[nodiscard]] std::vector<std::byte> saved() const;
    /// @return how many pipelines were compiled.
    [[nodiscard]] std::uint64_t compiled() const;

  private:
    /// Shared with the jobs that use it: one that goes from the cache goes when they have ended.
    using Shared = std::shared_ptr<const Pipeline>;
    struct Entry {
        Shared pipeline;
        std::list<const std::string*>::iterator age;
    };
    static constexpr std::size_t entries_max = 256;

    [[nodiscard]] Owned<VkPipelineCache> make_cache(std::span<const std::byte> kept) const;

    const Device& device_;
    Owned<VkPipelineCache> cache_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;
    std::list<const std::string*> ages_;  ///< the least recently used first
    std::uint64_t compiled_ = 0;
};

}  // namespace repartir::gpu
