// SPDX-License-Identifier: MIT
#include "sched/victims.hpp"

#include <cstddef>

namespace repartir::sched {

namespace {

std::size_t distance(const Cpu& a, const Cpu& b) {
    if (a.core == b.core) {
        return 0;
    }
    if (a.l3 == b.l3) {
        return 1;
    }
    if (a.numa_node == b.numa_node) {
        return 2;
    }
    return a.package == b.package ? 3 : 4;
}

}  // namespace

std::vector<Tier> victim_order(const Topology& topology, std::uint32_t workers,
                               std::uint32_t worker) {
    std::vector<Tier> tiers(5);
    const std::size_t cpus = topology.cpus.size();
    for (std::uint32_t other = 0; other < workers; ++other) {
        if (other == worker) {
            continue;
        }
        const std::size_t tier =
            cpus == 0 ? 0 : distance(topology.cpus[worker % cpus], topology.cpus[other % cpus]);
        tiers[tier].push_back(other);
    }
    std::erase_if(tiers, [](const Tier& tier) { return tier.empty(); });
    return tiers;
}

}  // namespace repartir::sched
