// SPDX-License-Identifier: MIT
#pragma once
/// @file topology.hpp The machine's CPUs as a value: the scheduler is told, it does not look.
#include <cstdint>
#include <vector>

namespace repartir {

/// One logical CPU and what it shares with others.
struct Cpu {
    std::uint32_t number = 0;     ///< the kernel's number of it
    std::uint32_t core = 0;       ///< physical core: hardware threads of one core share it
    std::uint32_t l3 = 0;         ///< last-level cache group
    std::uint32_t numa_node = 0;  ///< memory node
    std::uint32_t package = 0;    ///< socket
};

/// CPUs that this process may use. Filled from hwloc by exec/cpu, by hand in tests. A value.
struct Topology {
    std::vector<Cpu> cpus;  ///< in order of number
    /// The CPU time that a cgroup grants, in hundredths of a CPU; 0: no quota.
    std::uint32_t quota_centi_cpus = 0;

    /// @return how many workers use the machine fully: its CPUs, less where a quota grants less; at
    /// least 1.
    [[nodiscard]] std::uint32_t default_workers() const noexcept {
        const auto all = static_cast<std::uint32_t>(cpus.empty() ? 1 : cpus.size());
        if (quota_centi_cpus == 0) {
            return all;
        }
        const std::uint32_t granted = (quota_centi_cpus + 99) / 100;
        return granted < all ? (granted == 0 ? 1 : granted) : all;
    }
};

}  // namespace repartir
