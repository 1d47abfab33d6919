// SPDX-License-Identifier: MIT
#pragma once
/// @file placement.hpp Which executor may take a task, and which one does. Pure, integers only.
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "repartir/policy.hpp"
#include "repartir/task.hpp"

namespace repartir::core {

/// What a task needs of the executor that runs it.
struct Demand {
    Backend backend = Backend::any;
    Affinity affinity = Affinity::none;
    std::uint32_t cores = 1;
    std::uint64_t memory_bytes = 0;
    bool cgroup_limits = false;
    bool shader = false;        ///< runs on GPUs
    bool cpu_fallback = false;  ///< a shader that CPUs may run where no GPU can
    auto operator<=>(const Demand&) const = default;
};

/// What an executor has, and has free.
struct Site {
    Backend backend = Backend::cpu;
    std::uint32_t slots = 0;
    std::uint32_t free_slots = 0;
    std::uint64_t memory_bytes = 0;  ///< 0: not counted
    std::uint64_t free_memory_bytes = 0;
    bool cgroup_limits = false;
    bool gpus = false;                 ///< of remote: there are GPUs that run shaders
    bool elastic = false;              ///< slots and memory change; what asks for more waits for it
    std::uint32_t task_slots_max = 0;  ///< the most that one task can have; 0: all
    std::uint32_t overbooked_slots = 0;  ///< booked beyond what there is
    std::uint64_t overbooked_bytes = 0;  ///< of memory, since it became less
    // For the cost of running there (core/cost.hpp).
    std::uint32_t running_slots = 0;     ///< that run at once, the others wait; 0: all run
    std::uint32_t busy_slots = 0;        ///< of those, with what was not booked here
    base::BootTime round_trip{0};        ///< until something sent there is answered
    std::uint64_t bytes_per_second = 0;  ///< to and from there; 0: not known
    base::BootTime mean_run{-1};         ///< of the tasks there, smoothed; negative: not known
};

/// One bit per site, the first one lowest.
using SiteSet = std::uint64_t;
/// More executors than this cannot be registered.
inline constexpr std::size_t sites_max = 64;

[[nodiscard]] Demand demand_of(const Task& task) noexcept;

/// @return whether such an executor may run the task. A program goes to a GPU's only when the task
/// says so; who gave the pool remote workers has said that tasks may leave this machine, except
/// those that say otherwise.
[[nodiscard]] bool backend_fits(const Demand& demand, Backend backend) noexcept;

/// @return the sites that could run the task if they were idle, elastic ones also if they had
/// grown; 0: none ever can.
[[nodiscard]] SiteSet eligible(const Demand& demand, std::span<const Site> sites) noexcept;

/// @return those of the able sites that are to run the task: a CPU runs no shader that a GPU can.
[[nodiscard]] SiteSet preferred(const Demand& demand, SiteSet able,
                                std::span<const Site> sites) noexcept;

/// @return whether the site, as large as it is now, could run the task if it were idle.
[[nodiscard]] bool fits(const Demand& demand, const Site& site) noexcept;

/// @return whether the site could run the task now.
[[nodiscard]] bool has_room(const Demand& demand, const Site& site) noexcept;

/// @return the first site of `among` with room now, in order of registration.
[[nodiscard]] std::optional<std::size_t> place(const Demand& demand, SiteSet among,
                                               std::span<const Site> sites) noexcept;

/// Books what a task takes on a site that has room for it; cores beyond that are overbooked.
void take(const Demand& demand, Site& site) noexcept;
/// Gives back what take() booked.
void give_back(const Demand& demand, Site& site) noexcept;
/// The site becomes larger or smaller; what is booked stays booked.
void resize(Site& site, std::uint32_t slots, std::uint64_t memory_bytes) noexcept;

/// @return one sentence that says why no site can ever run the task, with the numbers.
[[nodiscard]] std::string why_never(const Demand& demand, std::span<const Site> sites);

}  // namespace repartir::core
