// SPDX-License-Identifier: MIT
#include "core/placement.hpp"

#include <algorithm>

namespace repartir::core {
namespace {

/// @return whether it has what a shader runs on, if the task is one.
bool runs_shader(const Demand& demand, const Site& site) noexcept {
    return !demand.shader || site.backend != Backend::remote || site.gpus;
}

bool could_run(const Demand& demand, const Site& site) noexcept {
    return backend_fits(demand, site.backend) && (site.elastic || fits(demand, site)) &&
           (!demand.cgroup_limits || site.cgroup_limits);
}

}  // namespace

bool backend_fits(const Demand& demand, Backend backend) noexcept {
    const bool gpu_elsewhere =
        demand.shader && demand.backend == Backend::gpu && backend == Backend::remote;
    if (demand.backend != Backend::any && demand.backend != backend && !gpu_elsewhere) {
        return false;
    }
    if (demand.shader && demand.affinity != Affinity::cpu_only) {
        return backend != Backend::cpu || demand.backend == Backend::cpu || demand.cpu_fallback;
    }
    switch (demand.affinity) {
        case Affinity::cpu_only:
            return backend == Backend::cpu;
        case Affinity::gpu_required:
            return backend == Backend::gpu;
        case Affinity::remote_allowed:
        case Affinity::none:
            return backend != Backend::gpu || demand.backend == Backend::gpu;
    }
    return false;
}

Demand demand_of(const Task& task) noexcept {
    const TaskExtras& extras = task.extras();
    std::uint64_t memory = extras.memory_bytes;
    if (extras.dispatch && memory == 0) {
        for (const gpu::BufferArgument& buffer : extras.dispatch->buffers) {
            memory += std::min(buffer.bytes, UINT64_MAX - memory);
        }
    }
    return Demand{task.backend(),
                  task.affinity(),
                  task.cores(),
                  memory,
                  extras.limits.needs_cgroup(),
                  extras.dispatch.has_value(),
                  extras.dispatch && extras.dispatch->cpu_fallback &&
                      task.affinity() != Affinity::gpu_required};
}

SiteSet preferred(const Demand& demand, SiteSet able, std::span<const Site> sites) noexcept {
    if (!demand.shader || !demand.cpu_fallback) {
        return able;
    }
    SiteSet cpus = 0;
    bool gpus = false;
    for (std::size_t i = 0; i < sites.size(); ++i) {
        const SiteSet bit = SiteSet{1} << i;
        if (sites[i].backend == Backend::cpu) {
            cpus |= bit;
        } else if ((able & bit) != 0) {
            gpus = gpus || runs_shader(demand, sites[i]);
        }
    }
    return gpus ? able & ~cpus : able;
}

SiteSet eligible(const Demand& demand, std::span<const Site> sites) noexcept {
    SiteSet set = 0;
    for (std::size_t i = 0; i < sites.size(); ++i) {
        if (could_run(demand, sites[i])) {
            set |= SiteSet{1} << i;
        }
    }
    return set;
}

bool fits(const Demand& demand, const Site& site) noexcept {
    return demand.cores <= site.slots && runs_shader(demand, site) &&
           (site.task_slots_max == 0 || demand.cores <= site.task_slots_max) &&
           (site.memory_bytes == 0 || demand.memory_bytes <= site.memory_bytes);
}

bool has_room(const Demand& demand, const Site& site) noexcept {
    return demand.cores <= site.free_slots && runs_shader(demand, site) &&
           (site.task_slots_max == 0 || demand.cores <= site.task_slots_max) &&
           (site.memory_bytes == 0 || demand.memory_bytes <= site.free_memory_bytes);
}

std::optional<std::size_t> place(const Demand& demand, SiteSet among,
                                 std::span<const Site> sites) noexcept {
    for (std::size_t i = 0; i < sites.size(); ++i) {
        if (((among >> i) & 1U) != 0 && has_room(demand, sites[i])) {
            return i;
        }
    }
    return std::nullopt;
}

void take(const Demand& demand, Site& site) noexcept {
    const std::uint32_t free = std::min(site.free_slots, demand.cores);
    site.free_slots -= free;
    site.overbooked_slots += demand.cores - free;
    if (site.memory_bytes != 0) {
        site.free_memory_bytes -= demand.memory_bytes;
    }
}

void give_back(const Demand& demand, Site& site) noexcept {
    const std::uint32_t owed = std::min(site.overbooked_slots, demand.cores);
    site.overbooked_slots -= owed;
    site.free_slots += demand.cores - owed;
    const std::uint64_t owed_bytes = std::min(site.overbooked_bytes, demand.memory_bytes);
    site.overbooked_bytes -= owed_bytes;
    if (site.memory_bytes != 0) {  // perhaps it was not counted when the task was booked
        const std::uint64_t booked = site.memory_bytes - site.free_memory_bytes;
        site.free_memory_bytes += std::min(booked, demand.memory_bytes - owed_bytes);
    }
}

void resize(Site& site, std::uint32_t slots, std::uint64_t memory_bytes) noexcept {
    const std::uint32_t booked = site.slots - site.free_slots + site.overbooked_slots;
    site.slots = slots;
    site.free_slots = slots - std::min(booked, slots);
    site.overbooked_slots = booked - std::min(booked, slots);
    const std::uint64_t bytes = site.memory_bytes - site.free_memory_bytes + site.overbooked_bytes;
    site.memory_bytes = memory_bytes;
    site.free_memory_bytes = memory_bytes - std::min(bytes, memory_bytes);
    site.overbooked_bytes = bytes - std::min(bytes, memory_bytes);
}

std::string why_never(const Demand& demand, std::span<const Site> sites) {
    std::uint32_t slots = 0;
    std::uint64_t memory = 0;
    bool any = false;
    bool shaders = false;
    bool enough_memory = false;
    for (const Site& site : sites) {
        if (backend_fits(demand, site.backend)) {
            any = true;
            shaders = shaders || runs_shader(demand, site);
            slots = std::max(slots, site.slots);
            memory = std::max(memory, site.memory_bytes);
            enough_memory =
                enough_memory || site.memory_bytes == 0 || demand.memory_bytes <= site.memory_bytes;
        }
    }
    if (!any && demand.shader && demand.backend != Backend::cpu) {
        return "a shader needs a GPU, and this pool has none: give it one with PoolBuilder::gpu";
    }
    if (any && !shaders) {
        return "a shader needs a GPU, and no worker in reach has one: start one with a GPU";
    }
    if (!any) {
        return "no registered executor may take the task (backend " +
               std::string(to_string(demand.backend)) + ", affinity " +
               std::string(to_string(demand.affinity)) + "): register one or change the request";
    }
    if (demand.cores > slots) {
        return "the task asks for " + std::to_string(demand.cores) +
               " cores, the largest executor has " + std::to_string(slots) +
               ": ask for less or add slots";
    }
    if (!enough_memory) {
        return "the task asks for " + std::to_string(demand.memory_bytes) +
               " bytes of memory, the largest executor has " + std::to_string(memory) +
               ": ask for less";
    }
    if (demand.cgroup_limits) {
        return "a limit on resident memory or process count needs a cgroup, and none can be made "
               "here: "
               "run as root or in a delegated cgroup, or drop the limit";
    }
    return "no executor has the cores and the memory that the task asks for in one place: ask for "
           "less";
}

}  // namespace repartir::core
